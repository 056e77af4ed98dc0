#pragma once
// The coroutine type of workflows: Run<T>. It starts when it is awaited (or started by the engine), resumes its caller
// when it ends, and carries a value or an exception. A Run that is destroyed destroys its frame and, with it, the Runs
// that the frame holds.

#include <coroutine>
#include <exception>
#include <type_traits>
#include <utility>
#include <variant>

namespace slipway::durable {

template <class T = void>
class [[nodiscard]] Run;

namespace detail {

struct Finished {  // hands control to whoever awaits
  bool await_ready() noexcept { return false; }
  template <class Promise>
  std::coroutine_handle<> await_suspend(std::coroutine_handle<Promise> ended) noexcept {
    return ended.promise().caller ? ended.promise().caller : std::noop_coroutine();
  }
  void await_resume() noexcept {}
};

template <class T>
struct PromiseBase {
  using Stored = std::conditional_t<std::is_void_v<T>, std::monostate, T>;
  std::coroutine_handle<> caller;
  std::variant<std::monostate, Stored, std::exception_ptr> outcome;

  std::suspend_always initial_suspend() noexcept { return {}; }
  Finished final_suspend() noexcept { return {}; }
  void unhandled_exception() { outcome.template emplace<2>(std::current_exception()); }
};

template <class T>
struct Promise : PromiseBase<T> {
  Run<T> get_return_object();
  template <class U>
  void return_value(U&& value) {
    this->outcome.template emplace<1>(std::forward<U>(value));
  }
};

template <>
struct Promise<void> : PromiseBase<void> {
  Run<void> get_return_object();
  void return_void() { outcome.emplace<1>(); }
};

}  // namespace detail

template <class T>
class [[nodiscard]] Run {
 public:
  using promise_type = detail::Promise<T>;

  Run() = default;
  explicit Run(std::coroutine_handle<promise_type> handle) : handle_(handle) {}
  Run(Run&& other) noexcept : handle_(std::exchange(other.handle_, {})) {}
  Run& operator=(Run&& other) noexcept {
    if (this != &other) {
      if (handle_) handle_.destroy();
      handle_ = std::exchange(other.handle_, {});
    }
    return *this;
  }
  ~Run() {
    if (handle_) handle_.destroy();
  }

  // For the engine.
  void start() { handle_.resume(); }
  bool done() const { return handle_.done(); }
  // The value, or throws what the coroutine threw. Once.
  T result() {
    auto& outcome = handle_.promise().outcome;
    if (outcome.index() == 2) std::rethrow_exception(std::get<2>(outcome));
    if constexpr (!std::is_void_v<T>) return std::move(std::get<1>(outcome));
  }

  bool await_ready() const noexcept { return false; }
  std::coroutine_handle<> await_suspend(std::coroutine_handle<> caller) noexcept {
    handle_.promise().caller = caller;
    return handle_;
  }
  T await_resume() { return result(); }

 private:
  std::coroutine_handle<promise_type> handle_;
};

template <class T>
Run<T> detail::Promise<T>::get_return_object() {
  return Run<T>(std::coroutine_handle<Promise>::from_promise(*this));
}
inline Run<void> detail::Promise<void>::get_return_object() {
  return Run<void>(std::coroutine_handle<Promise>::from_promise(*this));
}

}  // namespace slipway::durable
