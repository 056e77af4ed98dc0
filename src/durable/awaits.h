#pragma once
// What a workflow awaits: the awaitables behind the calls of context.h. Each is an operation (operation.h) that begins
// when it is awaited, answers from the journal if it can, and else suspends the body until the execution has an
// outcome.

#include <expected>
#include <functional>
#include <memory>
#include <string>
#include <type_traits>
#include <utility>
#include <vector>

#include "durable/execution.h"
#include "durable/operation.h"

namespace slipway::durable {

// What undoes a step: `undo("delete-machine", [name] { … })`. The function takes nothing, or the step's result, or an
// Attempt&. With the result it runs only if the step completed; without, also if it was merely begun: it must be right
// for a step that did nothing, all, or half. It captures by value: the workflow's locals are gone when it runs.
// For a fan-out it takes the item, or the item and its result, with the same difference.
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

// One item's result of a fan-out: its value, or why there is none.
template <class T>
using Item = std::expected<T, base::Error>;

namespace detail {

template <class F, class... Arguments>
json::Value call_to_json(F& function, Arguments&... arguments) {
  if constexpr (std::is_void_v<std::invoke_result_t<F&, Arguments&...>>) {
    function(arguments...);
    return nullptr;
  } else {
    return json::to_value(function(arguments...), json::Secrets::marked);
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

// The awaitable of every call.
template <class T>
class Await : public Operation {
 public:
  Await(Execution& run, std::string name, StepKind kind) : Operation(std::move(name), kind), run_(run) {}
  bool await_ready() {
    run_.begin(*this);
    return outcome.has_value();
  }
  void await_suspend(std::coroutine_handle<> waiting) {
    waiter = waiting;
    run_.suspend(*this);
  }
  T await_resume() {
    const json::Value value = run_.take(*this);
    on_result(run_, value);
    return decode<T>(value);
  }
  // Awaited as if the run had not been stopped, whether that comes before or meanwhile.
  template <class Self>
  Self&& despite_cancel(this Self&& self) {
    self.outlasts_stop = true;
    return std::forward<Self>(self);
  }

 protected:
  Execution& run_;
};

// A step, whether it is awaited by itself (Base is an Await) or is an item of a fan-out (Base is Operation).
template <class Base, class F, class U>
class StepOf : public Base {
 public:
  using T = StepResult<F>;
  template <class... Arguments>
  StepOf(Retry retry, F function, U undo, Arguments&&... arguments)
      : Base(std::forward<Arguments>(arguments)..., StepKind::step),
        function_(std::move(function)),
        undo_(std::move(undo)) {
    this->retry = retry;
    this->may_beat = std::is_invocable_v<F&, Attempt&>;
  }

  void on_begin(Execution& run) override {
    if constexpr (kUndoesWhatBegan)
      add(run, [function = undo_.function](Attempt& attempt) mutable {
        if constexpr (std::is_invocable_v<decltype(function)&, Attempt&>) {
          function(attempt);
        } else {
          function();
        }
      });
  }
  void on_result(Execution& run, const json::Value& value) override {
    if constexpr (!std::is_same_v<U, NoUndo> && !kUndoesWhatBegan)
      add(run, [function = undo_.function, result = decode<T>(value)](Attempt&) mutable { function(result); });
  }
  std::optional<json::Value> perform(Attempt& attempt) override { return call(function_, attempt); }
  Operation::Function perform_apart() override {
    if constexpr (std::is_copy_constructible_v<F>) {
      return [function = function_](Attempt& attempt) mutable { return call(function, attempt); };
    } else {
      SLIPWAY_ASSERT(!"a function whose attempts may be left behind must be copyable");
      return {};
    }
  }

 private:
  static constexpr bool kUndoesWhatBegan =
      requires(U& undo) { undo.function(); } || requires(U& undo, Attempt& attempt) { undo.function(attempt); };

  static std::optional<json::Value> call(F& function, Attempt& attempt) {
    if constexpr (std::is_invocable_v<F&, Attempt&>) {
      return call_to_json(function, attempt);
    } else {
      return call_to_json(function);
    }
  }
  template <class Function>
  void add(Execution& run, Function function) {
    run.add_compensation({this->key, undo_.name, undo_.retry, std::move(function)});
  }

  F function_;
  [[no_unique_address]] U undo_;
};

template <class F, class U>
using StepAwait = StepOf<Await<StepResult<F>>, F, U>;

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
      return json::to_value(*found, json::Secrets::marked);
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
  void on_begin(Execution& run) override {
    if (!this->outcome) run.compute(*this, [this] { return call_to_json(function_); });
  }

 private:
  F function_;
};

// A signal's outcome is its payload in an array of one, or null when the time was over.
class SignalOperation : public Await<json::Value> {
 public:
  SignalOperation(Execution& run, std::string name, std::optional<Within> within)
      : Await(run, std::move(name), StepKind::signal) {
    this->within = within;
  }
  void on_begin(Execution& run) override { run.receive(*this); }

 protected:
  std::optional<json::Value> payload() {
    const json::Value value = await_resume();
    if (!value.is_array()) return std::nullopt;
    return value.as_array().at(0);
  }
};

template <class T>
class SignalAwait final : public SignalOperation {
 public:
  SignalAwait(Execution& run, std::string name) : SignalOperation(run, std::move(name), std::nullopt) {}
  T await_resume() { return decode<T>(*payload()); }
};

template <class T>
class TimedSignalAwait final : public SignalOperation {
 public:
  using Result =
      std::conditional_t<std::is_void_v<T>, bool, std::optional<std::conditional_t<std::is_void_v<T>, int, T>>>;
  TimedSignalAwait(Execution& run, std::string name, Within within) : SignalOperation(run, std::move(name), within) {}
  Result await_resume() {
    const auto value = payload();
    if constexpr (std::is_void_v<T>) {
      return value.has_value();
    } else {
      if (!value) return std::nullopt;
      return decode<T>(*value);
    }
  }
};

template <class T>
class ChildAwait final : public ChildOperation {
 public:
  ChildAwait(Execution& run, std::string name, std::string type, json::Value input, ChildOptions options)
      : ChildOperation(std::move(name), std::move(type), std::move(input), std::move(options)), run_(run) {}
  bool await_ready() {
    run_.begin(*this);
    return run_.expect(*this);
  }
  void await_suspend(std::coroutine_handle<> waiting) {
    waiter = waiting;
    run_.suspend(*this);
  }
  T await_resume() { return decode<T>(run_.take(*this)); }

 private:
  Execution& run_;
};

// Items side by side; its result is that of each of them, in their order.
template <class T>
class FanOutAwait : public FanOut {
 public:
  FanOutAwait(Execution& run, std::string name, std::size_t size, Wide wide)
      : FanOut(std::move(name), size, wide), run_(run) {}
  bool await_ready() {
    run_.begin(*this);
    return outcome.has_value();
  }
  void await_suspend(std::coroutine_handle<> waiting) {
    waiter = waiting;
    run_.suspend(*this);
  }
  std::vector<Item<T>> await_resume() {
    run_.take(*this);
    std::vector<Item<T>> results;
    results.reserve(outcomes.size());
    for (auto& outcome : outcomes) {
      SLIPWAY_ASSERT(outcome.has_value());
      if (auto* error = std::get_if<base::Error>(&*outcome)) {
        results.push_back(std::unexpected(std::move(*error)));
      } else if constexpr (std::is_void_v<T>) {
        results.emplace_back();
      } else {
        results.push_back(decode<T>(std::get<json::Value>(*outcome)));
      }
    }
    return results;
  }

 private:
  Execution& run_;
};

// The function of one item's step; keeps the items alive, as an attempt may outlive the body.
template <class E, class F>
struct ItemCall {
  std::shared_ptr<const std::vector<E>> items;
  std::size_t index;
  F function;
  auto operator()(Attempt& attempt)
    requires std::is_invocable_v<F&, const E&, Attempt&>
  {
    return function((*items)[index], attempt);
  }
  auto operator()()
    requires std::is_invocable_v<F&, const E&>
  {
    return function((*items)[index]);
  }
};

template <class E, class U>
struct ItemUndo {
  std::shared_ptr<const std::vector<E>> items;
  std::size_t index;
  U function;
  void operator()()
    requires std::is_invocable_v<U&, const E&>
  {
    function((*items)[index]);
  }
  template <class R>
  void operator()(const R& result)
    requires(!std::is_same_v<R, Attempt> && std::is_invocable_v<U&, const E&, const R&>)
  {
    function((*items)[index], result);
  }
};

template <class E, class F, class U>
class ForEachAwait final : public FanOutAwait<StepResult<ItemCall<E, F>>> {
 public:
  using Call = ItemCall<E, F>;
  ForEachAwait(Execution& run, std::string name, std::vector<E> items, Wide wide, Retry retry, F function, U undo)
      : FanOutAwait<StepResult<Call>>(run, std::move(name), items.size(), wide),
        items_(std::make_shared<const std::vector<E>>(std::move(items))),
        retry_(retry),
        function_(std::move(function)),
        undo_(std::move(undo)) {}

  std::unique_ptr<Operation> make_item(std::size_t index) override {
    Call call{items_, index, function_};
    if constexpr (std::is_same_v<U, NoUndo>) {
      return std::make_unique<StepOf<Operation, Call, NoUndo>>(retry_, std::move(call), NoUndo{}, this->name);
    } else {
      using Each = ItemUndo<E, decltype(undo_.function)>;
      Undo<Each> each{undo_.name, {items_, index, undo_.function}, undo_.retry};
      return std::make_unique<StepOf<Operation, Call, Undo<Each>>>(retry_, std::move(call), std::move(each),
                                                                   this->name);
    }
  }

 private:
  std::shared_ptr<const std::vector<E>> items_;
  Retry retry_;
  F function_;
  [[no_unique_address]] U undo_;
};

template <class T>
class ChildrenAwait final : public FanOutAwait<T> {
 public:
  ChildrenAwait(Execution& run, std::string name, std::string type, std::vector<json::Value> inputs, Wide wide,
                ChildOptions options)
      : FanOutAwait<T>(run, std::move(name), inputs.size(), wide),
        type_(std::move(type)),
        inputs_(std::move(inputs)),
        options_(std::move(options)) {}
  std::unique_ptr<Operation> make_item(std::size_t index) override {
    return std::make_unique<ChildOperation>(this->name, type_, inputs_[index], options_);
  }

 private:
  std::string type_;
  std::vector<json::Value> inputs_;
  ChildOptions options_;
};

template <class T>
class ContinueAwait {
 public:
  ContinueAwait(Execution& run, json::Value input) : run_(run), input_(std::move(input)) {}
  bool await_ready() {
    run_.continue_as_new(std::move(input_));
    return false;
  }
  void await_suspend(std::coroutine_handle<>) {}
  [[noreturn]] T await_resume() { base::invariant_broken("a body goes on after continue_as_new", __FILE__, __LINE__); }

 private:
  Execution& run_;
  json::Value input_;
};

}  // namespace detail

// A child that was started and can be awaited later. A copy of it is the same child. Valid as long as the run's body.
template <class T>
class Child {
 public:
  Child(Execution& run, ChildOperation& operation) : run_(&run), operation_(&operation) {}
  const RunId& id() const { return operation_->child; }
  // Lets it go: neither is its end waited for, nor is it cancelled with its parent.
  void detach() { operation_->detached = true; }

  bool await_ready() { return run_->expect(*operation_); }
  void await_suspend(std::coroutine_handle<> waiting) {
    operation_->waiter = waiting;
    run_->suspend(*operation_);
  }
  T await_resume() {
    operation_->was_taken = true;
    return detail::decode<T>(run_->take(*operation_));
  }

 private:
  Execution* run_;
  ChildOperation* operation_;
};

}  // namespace slipway::durable
