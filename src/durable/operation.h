#pragma once
// What a suspended run waits for. It lives in the coroutine's frame, between await_suspend and await_resume, or in a
// fan-out; the execution knows it by this base. Written by awaits.h, driven by execution.h.

#include <algorithm>
#include <coroutine>
#include <memory>
#include <optional>
#include <string>
#include <unordered_map>
#include <variant>
#include <vector>

#include "base/json.h"
#include "durable/attempt.h"
#include "durable/event.h"
#include "durable/retry.h"
#include "durable/run_state.h"

namespace slipway::store {
class Transaction;
}

namespace slipway::durable {

class Execution;
class FanOut;

// Thrown into a workflow whose run was asked to cancel, or whose time is over. Let it pass: the engine then undoes what
// was done. A body whose subject was cancelled by somebody else throws it too.
class Cancelled : public base::Error {
 public:
  Cancelled() : base::Error(base::ErrorClass::user, "CANCELLED", "the run was cancelled") {}
};

using Outcome = std::variant<json::Value, base::Error>;

// Looks again and again, without holding anything in between.
struct Every {
  Duration interval{1'000};
  Duration first_delay{0};
  Duration bound{300'000};
  Every at_most(Duration limit) const {
    Every every = *this;
    every.bound = limit;
    return every;
  }
  Every after(Duration delay) const {
    Every every = *this;
    every.first_delay = delay;
    return every;
  }
};
inline Every every(Duration interval) { return {.interval = interval}; }

// How long a signal is waited for.
struct Within {
  Duration limit;
};
inline Within within(Duration limit) { return {limit}; }

// How many items of a fan-out are under way at once, and what the failure of one means for the others.
struct Wide {
  std::size_t width = 1;
  bool fails_fast = false;
  // After a failure no further item begins; those under way end, and the first failure is thrown.
  Wide fail_fast() const { return {width, true}; }
};
constexpr std::size_t kWidthMax = 1'000;  // more attempts than this of one run would crowd out the others'
inline Wide wide(std::size_t width) { return {std::clamp<std::size_t>(width, 1, kWidthMax)}; }

class Operation {
 public:
  using Function = std::move_only_function<std::optional<json::Value>(Attempt&)>;

  Operation(std::string name, StepKind kind) : name(std::move(name)), kind(kind) {}
  virtual ~Operation() = default;

  // Its key is known, and its outcome if the journal has one.
  virtual void on_begin(Execution&) {}
  // It has a result: from the journal, or a new one.
  virtual void on_result(Execution&, const json::Value&) {}
  // Runs the step once, on a worker thread; for a poll, empty means 'not yet'.
  virtual std::optional<json::Value> perform(Attempt&) { return std::nullopt; }
  // The same, for an attempt that may outlive the operation.
  virtual Function perform_apart() {
    return [this](Attempt& attempt) { return perform(attempt); };
  }
  // Runs a transaction's function, on the store's thread. May be called again when the group is.
  virtual json::Value perform_in(store::Transaction&) { return nullptr; }

  std::string name;
  StepKind kind;
  Retry retry;
  Every poll;
  Duration sleep_for{0};
  std::optional<Within> within;  // of a signal
  bool may_beat = false;         // its function sees the attempt
  bool outlasts_stop = false;    // a stop of the run neither keeps it from beginning nor ends it

  // Set by the execution.
  std::string key;
  std::coroutine_handle<> waiter;
  std::optional<Outcome> outcome;
  FanOut* group = nullptr;  // whose item it is
  std::size_t index = 0;    // in the group
};

// Items that run side by side, each of them a step of its own.
class FanOut : public Operation {
 public:
  FanOut(std::string name, std::size_t size, Wide wide)
      : Operation(std::move(name), StepKind::fan_out), wide(wide), outcomes(size) {}
  void on_begin(Execution&) override;

  virtual std::unique_ptr<Operation> make_item(std::size_t index) = 0;

  const Wide wide;

  // Set by the execution.
  std::vector<std::optional<Outcome>> outcomes;
  std::unordered_map<std::size_t, std::unique_ptr<Operation>> under_way;
  std::size_t next = 0;  // those before it were given out
  bool closed = false;   // nothing more is given out
};

// What becomes of a child when its parent is stopped or fails.
enum class OnParentStop {
  cancel,   // it is cancelled, and the parent waits for its end before it undoes its own steps
  abandon,  // it goes on for itself
};

struct ChildOptions {
  OnParentStop on_parent_stop = OnParentStop::cancel;
  // Empty: the parent's.
  std::string resource_type;
  std::string resource_id;
};

// Another run, from its start to its end.
class ChildOperation : public Operation {
 public:
  ChildOperation(std::string name, std::string type, json::Value input, ChildOptions options)
      : Operation(std::move(name), StepKind::child),
        type(std::move(type)),
        input(std::move(input)),
        options(std::move(options)) {}
  void on_begin(Execution&) override;

  std::string type;
  json::Value input;
  ChildOptions options;

  // Set by the execution.
  RunId child;
  bool detached = false;
  bool was_taken = false;  // the body has seen its outcome
  // Whether its end is the parent's concern, awaited or not.
  bool is_attached() const { return !detached && options.on_parent_stop == OnParentStop::cancel; }
};

// What undoes a step. Its function must not refer to the coroutine's locals: they are gone when it runs.
struct Compensation {
  std::string step;  // the key of the step that it undoes
  std::string name;
  Retry retry;
  std::move_only_function<void(Attempt&)> undo;
};

}  // namespace slipway::durable
