#pragma once
// What a suspended run waits for. It lives in the coroutine's frame, between await_suspend and await_resume; the
// execution knows it by this base. Written by context.h, driven by execution.h.

#include <coroutine>
#include <optional>
#include <stop_token>
#include <string>
#include <variant>

#include "base/json.h"
#include "durable/event.h"
#include "durable/retry.h"
#include "durable/run_state.h"

namespace slipway::store {
class Transaction;
}

namespace slipway::durable {

// What a step's function may want to know of its attempt.
class Attempt {
 public:
  Attempt(std::string idempotency_key, std::int64_t number, std::stop_token stop)
      : idempotency_key_(std::move(idempotency_key)), number_(number), stop_(std::move(stop)) {}
  // The same for every attempt of this step of this run, whatever crashed in between.
  const std::string& idempotency_key() const { return idempotency_key_; }
  std::int64_t number() const { return number_; }  // from 1
  // Fires when the run is cancelled or the hub shuts down: give up soon, by throwing or by returning what is there.
  std::stop_token stop() const { return stop_; }

 private:
  std::string idempotency_key_;
  std::int64_t number_;
  std::stop_token stop_;
};

// Thrown into a workflow whose run was asked to cancel. Let it pass: the engine then undoes what was done.
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

class Operation {
 public:
  Operation(std::string name, StepKind kind) : name(std::move(name)), kind(kind) {}
  virtual ~Operation() = default;

  // Runs the step once, on a worker thread; for a poll, empty means 'not yet'.
  virtual std::optional<json::Value> perform(Attempt&) { return std::nullopt; }
  // Runs a transaction's function, on the store's thread. May be called again when the group is.
  virtual json::Value perform_in(store::Transaction&) { return nullptr; }

  std::string name;
  StepKind kind;
  Retry retry;
  Every poll;
  Duration sleep_for{0};

  // Set by the execution.
  std::string key;
  std::coroutine_handle<> waiter;
  std::optional<Outcome> outcome;
};

// What undoes a step. Its function must not refer to the coroutine's locals: they are gone when it runs.
struct Compensation {
  std::string step;  // the key of the step that it undoes
  std::string name;
  Retry retry;
  std::move_only_function<void(Attempt&)> undo;
};

}  // namespace slipway::durable
