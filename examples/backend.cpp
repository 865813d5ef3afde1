// backend.c in C++: handles that close themselves, failures as exceptions.
#include <iostream>
#include <memory>
#include <stdexcept>
#include <string_view>
#include <varve.h>

namespace {

template <typename T, void (*end)(T **)> struct Ender {
    void operator()(T *handle) const { end(&handle); }
};
template <typename T, void (*end)(T **)> using Handle = std::unique_ptr<T, Ender<T, end>>;

int must(int result, const varve *store = nullptr) {
    if (result < 0)
        throw std::runtime_error(store ? varve_last_error(store) : varve_strerror(result));
    return result;
}

varve_str text(std::string_view view) { return {view.data(), view.size()}; }
std::string_view view(varve_str text) { return {text.ptr, text.size}; }

void add(varve_batch *batch, std::string_view type, std::string_view words) {
    varve_event event;
    varve_event_init(&event);
    event.session_id = text("session-1");
    event.type = text(type);
    event.str[VARVE_STR_TEXT] = text(words);
    must(varve_batch_add(batch, &event));
}

void run() {
    varve *opened = nullptr;
    must(varve_open("example-store", nullptr, &opened));
    Handle<varve, varve_close> store(opened);

    varve_batch *made = nullptr;
    must(varve_batch_new(&made));
    Handle<varve_batch, varve_batch_free> batch(made);
    add(batch.get(), "UserPromptSubmit", "sort these: 3 1 2");
    add(batch.get(), "Answer", "1 2 3");
    must(varve_append(store.get(), batch.get(), VARVE_GROUP, nullptr), store.get());

    varve_list *listed = nullptr;
    must(varve_session_list(store.get(), nullptr, &listed), store.get());
    Handle<varve_list, varve_list_close> sessions(listed);
    varve_session session;
    while (must(varve_list_next(sessions.get(), &session), store.get()) == 1)
        std::cout << view(session.session_id) << " has " << session.events << " events\n";

    varve_cursor *begun = nullptr;
    must(varve_cursor_session(store.get(), text({}), text("session-1"), 0, 0, &begun), store.get());
    Handle<varve_cursor, varve_cursor_close> cursor(begun);
    varve_event event;
    varve_event_init(&event);
    while (must(varve_cursor_next(cursor.get(), &event), store.get()) == 1)
        std::cout << event.seq << ' ' << view(event.type) << ": " << view(event.str[VARVE_STR_TEXT]) << '\n';
}

} // namespace

int main() {
    try {
        run();
    } catch (const std::exception &failure) {
        std::cerr << failure.what() << '\n';
        return 1;
    }
}
