#include "workflows/forget_old.h"

#include "fleet/alert.h"
#include "fleet/blob.h"
#include "fleet/build.h"
#include "fleet/change_feed.h"
#include "fleet/idempotency.h"
#include "fleet/received_message.h"
#include "fleet/workspace_state.h"

namespace slipway::workflows {
namespace {

constexpr base::Duration kChangesKept = std::chrono::hours(24);  // how far back a live stream can resume
constexpr base::Duration kAlertsKept = std::chrono::days(90);    // since they were resolved
constexpr base::Duration kStatesKept = std::chrono::days(30);    // of deleted workspaces: for second thoughts
constexpr base::Duration kBlobsKept = std::chrono::hours(24);    // uploaded, and in no version

// In small writes, so that users' own come between: `remove` takes `at_once` away, and less only when there is no more.
// Removing again what is gone does nothing: a step may be repeated.
template <class Remove>
std::int64_t remove_all(store::Database& database, const durable::Attempt& attempt, Remove remove,
                        std::int64_t at_once = fleet::kRemovedAtOnce) {
  std::int64_t total = 0, removed = at_once;
  while (removed >= at_once) {
    if (attempt.stop().stop_requested())
      throw base::Error(base::ErrorClass::transient, "INTERRUPTED", "told to stop; the rest is forgotten later");
    database.write_and_wait([&](store::Transaction& tx) { removed = remove(tx); });
    total += removed;
  }
  return total;
}

}  // namespace

std::vector<std::string> ForgetOld::outline() {
  return {"forget-answers", "forget-changes", "forget-alerts", "forget-messages",
          "forget-states",  "forget-blobs",   "forget-builds"};
}

durable::Run<Forgotten> ForgetOld::operator()(durable::Context& run, ForgetRequest) const {
  Forgotten forgotten;
  forgotten.answers = co_await run.step("forget-answers", [this](durable::Attempt& attempt) {
    const auto now = services_.clock.now();
    return remove_all(services_.database, attempt,
                      [now](store::Transaction& tx) { return fleet::forget_old_answers(tx, now); });
  });
  forgotten.changes = co_await run.step("forget-changes", [this](durable::Attempt& attempt) {
    const auto before = services_.clock.now() - kChangesKept;
    return remove_all(services_.database, attempt,
                      [before](store::Transaction& tx) { return fleet::trim_changes(tx, before); });
  });
  forgotten.alerts = co_await run.step("forget-alerts", [this](durable::Attempt& attempt) {
    const auto before = services_.clock.now() - kAlertsKept;
    return remove_all(services_.database, attempt,
                      [before](store::Transaction& tx) { return fleet::forget_alerts(tx, before); });
  });
  forgotten.messages = co_await run.step("forget-messages", [this](durable::Attempt& attempt) {
    const auto now = services_.clock.now();
    return remove_all(services_.database, attempt,
                      [now](store::Transaction& tx) { return fleet::forget_messages(tx, now); });
  });
  forgotten.states = co_await run.step("forget-states", [this](durable::Attempt& attempt) {
    const auto before = services_.clock.now() - kStatesKept;
    return remove_all(
        services_.database, attempt,
        [before](store::Transaction& tx) { return fleet::remove_states_of_gone_workspaces(tx, before); },
        fleet::kStatesRemovedAtOnce);
  });
  forgotten.blobs = co_await run.step("forget-blobs", [this](durable::Attempt& attempt) {
    const auto before = services_.clock.now() - kBlobsKept;
    return remove_all(
        services_.database, attempt,
        [before](store::Transaction& tx) { return fleet::remove_unused_blobs(tx, before); },
        fleet::kBlobsRemovedAtOnce);
  });
  forgotten.builds = co_await run.step("forget-builds", [this](durable::Attempt& attempt) {
    const auto now = services_.clock.now();
    return remove_all(services_.database, attempt,
                      [now](store::Transaction& tx) { return fleet::forget_builds(tx, now); });
  });
  co_return forgotten;
}

}  // namespace slipway::workflows
