#pragma once
// A kind of run: its type, outline and body, with the JSON of input and output taken care of.

#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "base/json.h"
#include "durable/run.h"
#include "durable/run_state.h"

namespace slipway::store {
class Transaction;
}

namespace slipway::durable {

class Context;

// How a run ended badly: told to `on_failure` in the transaction that records the end.
struct BadEnd {
  RunId run;
  RunStatus status = RunStatus::failed;  // failed or cancelled
  Failure failure;                       // of a cancelled run: code CANCELLED
  std::string step;                      // the step that failed
  bool needs_attention = false;          // something could not be undone
  Instant at;
};

// That a run is done again by a new one: told to `on_retry` in the transaction that inserts that.
struct Again {
  RunId run;  // the new one
  RunId retry_of;
  Instant at;
};

struct Workflow {
  std::string type;                  // workspace.create
  std::vector<std::string> outline;  // the steps' names in the order in which they usually run
  std::function<Run<json::Value>(Context&, const json::Value& input)> body;
  std::function<void(store::Transaction&, const json::Value& input, const BadEnd&)> on_failure;
  // Makes the records ready for it, or throws INVALID_STATE_TRANSITION or CONFLICT.
  std::function<void(store::Transaction&, const json::Value& input, const Again&)> on_retry;
  Duration timeout{0};       // a run that takes longer is stopped, undone and failed with TIMED_OUT; 0: no limit
  bool schedulable = false;  // people may make schedules of it
  std::function<void(const json::Value& input)> check_input;  // throws VALIDATION_ERROR below `input`
};

// `Body` has `static constexpr std::string_view kType`, `static std::vector<std::string> outline()`, a coroutine
// `Run<Output> operator()(Context&, Input) const` and, if the failure of a run changes records,
// `void on_failure(store::Transaction&, const Input&, const BadEnd&) const`, and if a retry does, `void
// on_retry(store:: Transaction&, const Input&, const Again&) const`; `static constexpr Duration kTimeout` where a run
// may not take longer than that, and `static constexpr bool kSchedulable = true` where it needs nothing but its input,
// so that people may schedule it. The body lives as long as the engine.
template <class Input, class Output, class Body>
Workflow make_workflow(std::shared_ptr<const Body> body) {
  Workflow workflow;
  workflow.type = Body::kType;
  workflow.outline = Body::outline();
  if constexpr (requires { Body::kTimeout; }) workflow.timeout = Body::kTimeout;
  workflow.body = [body](Context& run, const json::Value& input) -> Run<json::Value> {
    struct Call {
      static Run<json::Value> invoke(const Body& body, Context& run, Input input) {
        if constexpr (std::is_void_v<Output>) {
          co_await body(run, std::move(input));
          co_return json::Value(nullptr);
        } else {
          co_return json::to_value(co_await body(run, std::move(input)));
        }
      }
    };
    return Call::invoke(*body, run, json::from_value<Input>(input, json::Mode::lenient));
  };
  if constexpr (requires { Body::kSchedulable; }) workflow.schedulable = Body::kSchedulable;
  workflow.check_input = [](const json::Value& input) {
    json::from_value<Input>(input, json::Mode::strict, json::Path{&json::kRoot, "input"});
  };
  if constexpr (requires(const Body& b, store::Transaction& tx, const Input& i, const BadEnd& end) {
                  b.on_failure(tx, i, end);
                }) {
    workflow.on_failure = [body](store::Transaction& tx, const json::Value& input, const BadEnd& end) {
      body->on_failure(tx, json::from_value<Input>(input, json::Mode::lenient), end);
    };
  }
  if constexpr (requires(const Body& b, store::Transaction& tx, const Input& i, const Again& again) {
                  b.on_retry(tx, i, again);
                }) {
    workflow.on_retry = [body](store::Transaction& tx, const json::Value& input, const Again& again) {
      body->on_retry(tx, json::from_value<Input>(input, json::Mode::lenient), again);
    };
  }
  return workflow;
}

}  // namespace slipway::durable
