#include "durable/testing/queue_checks.h"

namespace slipway::durable::testing {

void QueueChecks::check(store::Transaction& tx) {
  check_limits(tx);
  check_order(tx);
  check_entries(tx);
}

void QueueChecks::grows_over(const std::string& what, std::int64_t now, std::int64_t limit) {
  if (now > limit && now > before_[what])
    fail_("a limit was exceeded: " + std::to_string(now) + " of " + std::to_string(limit) + " in " + what);
  before_[what] = now;
}

void QueueChecks::check_limits(store::Transaction& tx) {
  for (const auto& row : tx.query("SELECT name, concurrency, paused_at, admissions, (SELECT COUNT(*) FROM "
                                  "queue_entries WHERE queue = name AND admitted_at IS NOT NULL) FROM queues")) {
    const auto& name = row.text(0);
    if (const auto limit = row.integer_or_null(1)) grows_over(name, row.integer(4), *limit);
    auto& paused = paused_at_[name];  // how many had been admitted when a commit left it paused
    if (!row.is_null(2) && paused && row.integer(3) > *paused) fail_("a paused queue let somebody in: " + name);
    paused = row.is_null(2) ? std::nullopt : std::optional(row.integer(3));
  }
  for (const auto& row : tx.query("SELECT name, queue_key, key_concurrency, COUNT(*) FROM queues JOIN queue_entries ON "
                                  "queue = name WHERE queue_key <> '' AND key_concurrency IS NOT NULL AND admitted_at "
                                  "IS NOT NULL GROUP BY name, queue_key, key_concurrency"))
    grows_over(row.text(0) + "/" + row.text(1), row.integer(3), row.integer(2));
}

void QueueChecks::check_order(store::Transaction& tx) {
  for (const auto& row :
       tx.query("SELECT late.run_id, early.run_id FROM queue_entries late JOIN queue_entries early ON late.queue = "
                "early.queue AND late.queue_key = early.queue_key AND late.priority = early.priority AND early.seq < "
                "late.seq WHERE late.admitted_at IS NOT NULL AND early.admitted_at IS NULL AND late.due_at = 0 AND "
                "early.due_at = 0"))
    fail_(row.text(0) + " went before " + row.text(1) + ", which had come before it");
}

void QueueChecks::check_entries(store::Transaction& tx) {
  for (const auto& row : tx.query("SELECT id FROM runs WHERE status = 'pending' AND completed_at IS NULL AND id NOT IN "
                                  "(SELECT run_id FROM queue_entries WHERE admitted_at IS NULL)"))
    fail_("a pending run waits nowhere: " + row.text(0));
  for (const auto& row : tx.query("SELECT run_id FROM queue_entries WHERE run_id NOT IN (SELECT id FROM runs WHERE "
                                  "completed_at IS NULL)"))
    fail_("a run has ended and holds its place: " + row.text(0));
  for (const auto& row : tx.query("SELECT run_id FROM queue_entries JOIN runs ON id = run_id WHERE "
                                  "(admitted_at IS NULL) <> (status = 'pending')"))
    fail_("a run and its place in the queue disagree: " + row.text(0));
  for (const auto& row : tx.query("SELECT run_id FROM queue_entries WHERE queue NOT IN (SELECT name FROM queues)"))
    fail_("a run waits in a queue that is gone: " + row.text(0));
}

}  // namespace slipway::durable::testing
