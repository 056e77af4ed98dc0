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
//  - Everything that touches the world, the clock or chance happens inside a step, or is asked of `run`. The body
//    between the steps runs again from the top after a crash, and must then do the same with the same recorded results.
//  - Steps are awaited where they are made, one after another; what is to run side by side is a fan-out. A name used
//    twice counts: the second is `name#2`.
//  - A step's result must be describable as JSON (base/json.h). A base::Secret in it is sealed at rest.
//  - A failed step throws base::Error into the body, and a stopped run Cancelled; what leaves the body fails (or
//    cancels) the run, and its compensations run, newest first.
//
// The calls, where each one's function runs, and what to use it for:
//  - compute: on the event loop, at once, without a commit of its own; pure work that must not be repeated differently.
//  - step: on a worker thread, after everything before it is durable; any call of the world.
//  - transaction: inside the commit that records it, exactly once; changing records.
//  - poll: as step, again and again, holding nothing in between; waiting for the world.
//  - sleep: nowhere; waiting for time, from milliseconds to years.
//  - signal: nowhere; waiting for somebody to say something.
//  - child, start_child: another run, with a journal of its own; work that is of use by itself or that others may see.
//  - for_each, children: many steps or children side by side.
//  - now, uuid, random: at once, not awaited: the same again in every replay.
//
// Time. A step that may hang has a limit (Retry::attempt_timeout, heartbeat_timeout; read there what they ask of its
// function); all its attempts together have Retry::time_max. A whole run has Workflow::timeout: when it is over, the
// run is stopped as by a cancel, undone, and failed with TIMED_OUT. A step of hours says how far it is by
// Attempt::heartbeat, and goes on from Attempt::last_heartbeat after a failure or a crash.
//
// Cancels. A cancel, or the end of the run's time, throws Cancelled where the run waits and wherever it waits after
// that. What the run must see through nevertheless, because it is decided elsewhere, is awaited with
// `.despite_cancel()`, which all have but fan-outs and children: it begins and goes on as if nothing had come, and
// needs a bound of its own.
//
//   try { co_return co_await run.signal<End>("job-ended"); } catch (const Cancelled&) {}
//   co_await run.step("ask-to-cancel", …).despite_cancel();
//   co_return co_await run.signal<End>("job-ended").despite_cancel();  // perhaps it was done before
//
// Signals are buffered from the run's start, whatever the run is doing. Each is taken by one await of its name, in the
// order of their coming; one whose key came before is the same one sent again. Waiting holds no thread and no memory.
//
// Children belong to their parent: it ends after them. When it is cancelled or fails, they are cancelled, and it undoes
// its own steps after they have ended (OnParentStop::abandon and Child::detach let them go). A child's failure is
// thrown where it is awaited; one that fails and is never awaited fails its parent.
//
// Fan-outs. Each item is a step named `name[3]`, with attempts and compensation of its own; after a crash those that
// were recorded are not run again. The result has each item's value or failure, in the items' order; with fail_fast the
// first failure is thrown instead. Item functions run at the same time on several threads.
//
// Changing the code under live runs. A replay that asks for something else than the journal has parks the run: it
// waits, visibly, until it meets code that fits. So a change of the steps' order, names or kinds asks for its version
// first:
//
//   if (run.version("check-quota-first", 1) >= 1) co_await run.step("check-quota", …);   // new runs
//   co_await run.step("create-machine", …);                                              // all runs
//
// A run that comes there for the first time records the newest version and keeps it for ever; one whose journal shows
// that it came by before the call existed gets 0. When no run of version 0 is left, `oldest` 1 says so (one that turns
// up nevertheless parks) and the old branch can go, and later the call.
//
// Runs without end call continue_as_new now and then: the journal begins again, so that a replay stays short.

#include <string>
#include <utility>

#include "durable/awaits.h"
#include "durable/execution.h"
#include "durable/operation.h"
#include "durable/run.h"

namespace slipway::durable {

class Context {
 public:
  explicit Context(Execution& execution) : execution_(execution) {}
  const RunId& id() const { return execution_.id(); }
  const std::string& triggered_by() const { return execution_.record().triggered_by; }
  const std::string& trace() const { return execution_.record().trace; }  // base::TraceContext as text

  // ---- steps

  template <class F>
  auto step(std::string name, F function) {
    return step(std::move(name), Retry{}, std::move(function));
  }
  template <class F>
  auto step(std::string name, Retry retry, F function) {
    return detail::StepAwait<F, NoUndo>(retry, std::move(function), NoUndo{}, execution_, std::move(name));
  }
  template <class F, class U>
  auto step(std::string name, Retry retry, F function, Undo<U> undo) {
    return detail::StepAwait<F, Undo<U>>(retry, std::move(function), std::move(undo), execution_, std::move(name));
  }
  template <class F>
  auto compute(std::string name, F function) {
    return detail::ComputeAwait<F>(execution_, std::move(name), std::move(function));
  }
  template <class F>
  auto transaction(std::string name, F function) {
    return detail::TransactionAwait<F>(execution_, std::move(name), std::move(function));
  }

  // ---- waiting

  template <class F>
  auto poll(std::string name, Every every, F function) {
    return detail::PollAwait<F>(execution_, std::move(name), every, std::move(function));
  }
  auto sleep(std::string name, Duration duration) {
    detail::Await<void> await(execution_, std::move(name), StepKind::sleep);
    await.sleep_for = duration;
    return await;
  }
  // The next signal of that name: its payload as T, which may be void.
  template <class T>
  auto signal(std::string name) {
    return detail::SignalAwait<T>(execution_, std::move(name));
  }
  // The same, or nothing when the time is over: std::optional<T>, and bool for void.
  template <class T>
  auto signal(std::string name, Within within) {
    return detail::TimedSignalAwait<T>(execution_, std::move(name), within);
  }

  // ---- other runs

  // Starts a run of that type and awaits its output.
  template <class Output, class Input>
  auto child(std::string name, std::string type, const Input& input, ChildOptions options = {}) {
    return detail::ChildAwait<Output>(execution_, std::move(name), std::move(type), to_json(input), std::move(options));
  }
  // Only starts it. Not awaited itself: `auto machine = run.start_child<Machine>(…); …; co_await machine;`
  template <class Output, class Input>
  Child<Output> start_child(std::string name, std::string type, const Input& input, ChildOptions options = {}) {
    auto& operation = execution_.keep(
        std::make_unique<ChildOperation>(std::move(name), std::move(type), to_json(input), std::move(options)));
    execution_.begin(operation);
    if (!execution_.park_reason().empty()) throw Parked();
    return Child<Output>(execution_, operation);
  }

  // ---- many at a time

  // A step for each item: `function(item)` or `function(item, attempt)`. The result is std::vector<Item<R>>.
  template <class E, class F>
  auto for_each(std::string name, std::vector<E> items, Wide wide, Retry retry, F function) {
    return detail::ForEachAwait<E, F, NoUndo>(execution_, std::move(name), std::move(items), wide, retry,
                                              std::move(function), NoUndo{});
  }
  template <class E, class F, class U>
  auto for_each(std::string name, std::vector<E> items, Wide wide, Retry retry, F function, Undo<U> undo) {
    return detail::ForEachAwait<E, F, Undo<U>>(execution_, std::move(name), std::move(items), wide, retry,
                                               std::move(function), std::move(undo));
  }
  // A child for each input. The result is std::vector<Item<Output>>.
  template <class Output, class Input>
  auto children(std::string name, std::string type, const std::vector<Input>& inputs, Wide wide,
                ChildOptions options = {}) {
    std::vector<json::Value> values;
    values.reserve(inputs.size());
    for (const auto& input : inputs) values.push_back(to_json(input));
    return detail::ChildrenAwait<Output>(execution_, std::move(name), std::move(type), std::move(values), wide,
                                         std::move(options));
  }

  // ---- recorded values

  Instant now() {
    return json::from_value<Instant>(
        execution_.value("now", [this] { return json::to_value(execution_.services().clock.now()); }));
  }
  // RFC 9562, version 7. Not a secret.
  std::string uuid() {
    return json::from_value<std::string>(
        execution_.value("uuid", [this] { return json::Value(execution_.services().ids.make_uuid()); }));
  }
  // Uniform in [0, 2^63).
  std::int64_t random() {
    return json::from_value<std::int64_t>(execution_.value(
        "random", [this] { return json::Value(std::int64_t(execution_.services().random.next() >> 1)); }));
  }

  // ---- changes

  // The version at which this run passes the change: `newest` if it is the first time, 0 if it came by before there was
  // a choice. Parks the run if that is outside [oldest, newest].
  std::int64_t version(const std::string& change, std::int64_t newest, std::int64_t oldest = 0) {
    return execution_.version(change, newest, oldest);
  }
  // `co_return co_await run.continue_as_new<Output>(input)`: the same run from the top with another input and an empty
  // journal. Signals that nobody awaited go with it; what was done stays done, and its compensations are forgotten. No
  // child may be under way, except those that were let go.
  template <class Output = void, class Input>
  auto continue_as_new(const Input& input) {
    return detail::ContinueAwait<Output>(execution_, to_json(input));
  }

 private:
  template <class Input>
  static json::Value to_json(const Input& input) {
    return json::to_value(input, json::Secrets::marked);
  }
  Execution& execution_;
};

}  // namespace slipway::durable
