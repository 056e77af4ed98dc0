#pragma once
// What a workflow is written with: this header is the manual of its author.
//
//   Run<Machine> create(Context& run, Request request) {
//     auto spec = co_await run.compute("validate", [&] { return validate(request); });
//     co_await run.transaction("create-record", [&](store::Transaction& tx) { return fleet::insert(tx, spec); });
//     auto machine = co_await run.step("create-machine", retry::cloud(), [&](Attempt& a) { return make(spec, a); },
//                                      undo("delete-machine", [spec] { remove(spec.name); }));
//     co_await run.poll("wait-until-ready", every(1s).at_most(5min), [&] { return is_ready(machine); });
//     co_return machine;
//   }
//
// The rules:
//  - Everything that touches the world, the clock or chance happens inside a step. The body between the steps runs
//    again from the top after a crash, and must then do the same with the same recorded results.
//  - Steps are awaited where they are made, one after another. A name used twice counts: the second is `name#2`.
//  - A step's result must be describable as JSON (base/json.h); secrets do not belong in it.
//  - A failed step throws base::Error into the body, and a cancelled run Cancelled; what leaves the body fails (or
//    cancels) the run, and its compensations run, newest first.
//
// The calls, where each one's function runs, and what to use it for:
//  - compute: on the event loop, at once, without a commit of its own; pure work that must not be repeated differently.
//  - step: on a worker thread, after everything before it is durable; any call of the world.
//  - transaction: inside the commit that records it, exactly once; changing records.
//  - poll: as step, again and again, holding nothing in between; waiting for the world.
//  - sleep: nowhere; waiting for time, from milliseconds to years.

#include <functional>
#include <string>
#include <type_traits>
#include <utility>

#include "durable/execution.h"
#include "durable/operation.h"
#include "durable/run.h"

namespace slipway::durable {

// What undoes a step: `undo("delete-machine", [name] { … })`. The function takes nothing, or the step's result, or an
// Attempt&. With the result it runs only if the step completed; without, also if it was merely begun: it must be right
// for a step that did nothing, all, or half. It captures by value: the workflow's locals are gone when it runs.
template <class F>
struct Undo {
  std::string name;
  F function;
  Retry retry = retry::compensation();
};
template <class F>
Undo<F> undo(std::string name, F function) {
  return {std::move(name), std::move(function)};
}
struct NoUndo {};

namespace detail {

template <class F, class... Arguments>
json::Value call_to_json(F& function, Arguments&... arguments) {
  if constexpr (std::is_void_v<std::invoke_result_t<F&, Arguments&...>>) {
    function(arguments...);
    return nullptr;
  } else {
    return json::to_value(function(arguments...), json::Secrets::revealed);
  }
}

// The result of a step's function, which may or may not want its Attempt.
template <class F>
using StepResult = typename std::conditional_t<std::is_invocable_v<F&, Attempt&>, std::invoke_result<F&, Attempt&>,
                                               std::invoke_result<F&>>::type;

template <class T>
T decode(const json::Value& value) {
  if constexpr (!std::is_void_v<T>) return json::from_value<T>(value, json::Mode::lenient);
}

// The awaitable of every call: answers from the journal, or suspends until the execution has an outcome.
template <class T>
class Await : public Operation {
 public:
  Await(Execution& run, std::string name, StepKind kind) : Operation(std::move(name), kind), run_(run) {}
  bool await_ready() {
    run_.begin(*this);
    on_begin();
    return outcome.has_value();
  }
  void await_suspend(std::coroutine_handle<> waiting) {
    waiter = waiting;
    run_.suspend(*this);
  }
  T await_resume() {
    const json::Value value = run_.take(*this);
    on_result(value);
    return decode<T>(value);
  }

 protected:
  virtual void on_begin() {}
  virtual void on_result(const json::Value&) {}
  Execution& run_;
};

template <class F, class U>
class StepAwait final : public Await<StepResult<F>> {
 public:
  using T = StepResult<F>;
  StepAwait(Execution& run, std::string name, Retry retry, F function, U undo)
      : Await<T>(run, std::move(name), StepKind::step), function_(std::move(function)), undo_(std::move(undo)) {
    this->retry = retry;
  }
  std::optional<json::Value> perform(Attempt& attempt) override {
    if constexpr (std::is_invocable_v<F&, Attempt&>) {
      return call_to_json(function_, attempt);
    } else {
      return call_to_json(function_);
    }
  }

 private:
  void on_begin() override {
    if constexpr (requires(Attempt& a) { undo_.function(); } || requires(Attempt& a) { undo_.function(a); })
      add([function = undo_.function](Attempt& attempt) mutable {
        if constexpr (std::is_invocable_v<decltype(function)&, Attempt&>) {
          function(attempt);
        } else {
          function();
        }
      });
  }
  void on_result(const json::Value& value) override {
    if constexpr (
        !std::is_same_v<U, NoUndo> && !requires(Attempt& a) { undo_.function(); } &&
        !requires(Attempt& a) { undo_.function(a); })
      add([function = undo_.function, result = decode<T>(value)](Attempt&) mutable { function(result); });
  }
  template <class Function>
  void add(Function function) {
    this->run_.add_compensation({this->key, undo_.name, undo_.retry, std::move(function)});
  }

  F function_;
  [[no_unique_address]] U undo_;
};

template <class F>
class TransactionAwait final : public Await<std::invoke_result_t<F&, store::Transaction&>> {
 public:
  TransactionAwait(Execution& run, std::string name, F function)
      : Await<std::invoke_result_t<F&, store::Transaction&>>(run, std::move(name), StepKind::transaction),
        function_(std::move(function)) {
    this->retry = retry::local();
  }
  json::Value perform_in(store::Transaction& tx) override { return call_to_json(function_, tx); }

 private:
  F function_;
};

// A poll's function answers bool, or std::optional of what was found.
template <class F>
struct PollResult {
  using type = void;
};
template <class F>
  requires(!std::is_same_v<StepResult<F>, bool>)
struct PollResult<F> {
  using type = typename StepResult<F>::value_type;
};

template <class F>
class PollAwait final : public Await<typename PollResult<F>::type> {
 public:
  PollAwait(Execution& run, std::string name, Every every, F function)
      : Await<typename PollResult<F>::type>(run, std::move(name), StepKind::poll), function_(std::move(function)) {
    this->poll = every;
  }
  std::optional<json::Value> perform(Attempt& attempt) override {
    auto found = look(attempt);
    if (!found) return std::nullopt;
    if constexpr (std::is_same_v<decltype(found), bool>) {
      return json::Value(nullptr);
    } else {
      return json::to_value(*found, json::Secrets::revealed);
    }
  }

 private:
  StepResult<F> look(Attempt& attempt) {
    if constexpr (std::is_invocable_v<F&, Attempt&>) {
      return function_(attempt);
    } else {
      return function_();
    }
  }
  F function_;
};

template <class F>
class ComputeAwait final : public Await<std::invoke_result_t<F&>> {
 public:
  ComputeAwait(Execution& run, std::string name, F function)
      : Await<std::invoke_result_t<F&>>(run, std::move(name), StepKind::compute), function_(std::move(function)) {}

 private:
  void on_begin() override {
    if (!this->outcome) this->run_.compute(*this, [this] { return call_to_json(function_); });
  }
  F function_;
};

}  // namespace detail

class Context {
 public:
  explicit Context(Execution& execution) : execution_(execution) {}
  const RunId& id() const { return execution_.id(); }
  const std::string& triggered_by() const { return execution_.record().triggered_by; }

  template <class F>
  auto step(std::string name, F function) {
    return detail::StepAwait<F, NoUndo>(execution_, std::move(name), Retry{}, std::move(function), {});
  }
  template <class F>
  auto step(std::string name, Retry retry, F function) {
    return detail::StepAwait<F, NoUndo>(execution_, std::move(name), retry, std::move(function), {});
  }
  template <class F, class U>
  auto step(std::string name, Retry retry, F function, Undo<U> undo) {
    return detail::StepAwait<F, Undo<U>>(execution_, std::move(name), retry, std::move(function), std::move(undo));
  }
  template <class F>
  auto compute(std::string name, F function) {
    return detail::ComputeAwait<F>(execution_, std::move(name), std::move(function));
  }
  template <class F>
  auto transaction(std::string name, F function) {
    return detail::TransactionAwait<F>(execution_, std::move(name), std::move(function));
  }
  template <class F>
  auto poll(std::string name, Every every, F function) {
    return detail::PollAwait<F>(execution_, std::move(name), every, std::move(function));
  }
  auto sleep(std::string name, Duration duration) {
    detail::Await<void> await(execution_, std::move(name), StepKind::sleep);
    await.sleep_for = duration;
    return await;
  }

 private:
  Execution& execution_;
};

}  // namespace slipway::durable
