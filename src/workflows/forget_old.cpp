#include "workflows/forget_old.h"

#include "fleet/alert.h"
#include "fleet/change_feed.h"
#include "fleet/idempotency.h"
#include "fleet/received_message.h"

namespace slipway::workflows {
namespace {

constexpr base::Duration kChangesKept = std::chrono::hours(24);  // how far back a live stream can resume
constexpr base::Duration kAlertsKept = std::chrono::days(90);    // since they were resolved

// In small writes, so that users' own come between. Removing again what is gone does nothing: a step may be repeated.
template <class Remove>
std::int64_t remove_all(store::Database& database, const durable::Attempt& attempt, Remove remove) {
  std::int64_t total = 0;
  for (std::int64_t removed = fleet::kRemovedAtOnce; removed >= fleet::kRemovedAtOnce;) {
    if (attempt.stop().stop_requested())
      throw base::Error(base::ErrorClass::transient, "INTERRUPTED", "told to stop; the rest is forgotten later");
    database.write_and_wait([&](store::Transaction& tx) { removed = remove(tx); });
    total += removed;
  }
  return total;
}

}  // namespace

std::vector<std::string> ForgetOld::outline() {
  return {"forget-answers", "forget-changes", "forget-alerts", "forget-messages"};
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
  co_return forgotten;
}

}  // namespace slipway::workflows
