/*
 * Texts of errors and of the version.
 */
#include "engine/store.h"

const char *varve_strerror(int error) {
    switch (error) {
    case VARVE_OK:
        return "no error";
    case VARVE_E_ARGUMENT:
        return "an argument is impossible";
    case VARVE_E_TOO_BIG:
        return "too big";
    case VARVE_E_READ_ONLY:
        return "opened for reading only";
    case VARVE_E_NOT_FOUND:
        return "not found";
    case VARVE_E_EXISTS:
        return "exists already";
    case VARVE_E_FORKED:
        return "the handle belongs to the parent process";
    case VARVE_E_CONFLICT:
        return "another session has this identity's hash";
    case VARVE_E_BUSY:
        return "another writer holds the lock";
    case VARVE_E_IO:
        return "input or output failed";
    case VARVE_E_NO_SPACE:
        return "no space is left";
    case VARVE_E_NO_MEMORY:
        return "no memory is left";
    case VARVE_E_DENIED:
        return "permission denied";
    case VARVE_E_UNSUITABLE:
        return "the place cannot carry a store safely";
    case VARVE_E_SYNC_FAILED:
        return "the disk did not confirm";
    case VARVE_E_NOT_A_STORE:
        return "not a store";
    case VARVE_E_VERSION:
        return "made by a version or with a feature that must not be used here";
    case VARVE_E_CORRUPT:
        return "the log is damaged";
    case VARVE_E_INDEX:
        return "the index is damaged: varve reindex makes it anew";
    default:
        return "unknown error";
    }
}

#ifndef VARVE_PROJECT_VERSION
#    define VARVE_PROJECT_VERSION "unknown"
#endif

const char *varve_version(void) {
    return VARVE_PROJECT_VERSION;
}
