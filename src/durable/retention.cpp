#include "durable/retention.h"

namespace slipway::durable::retention {

std::vector<std::string> types(store::Transaction& tx) {
  // From one type to the next by the index: a scan would read every run there is.
  std::vector<std::string> found;
  for (std::string last;;) {
    const auto next = tx.query("SELECT MIN(type) FROM runs WHERE type > $1", {last}).front().text_or_null(0);
    if (!next) return found;
    found.push_back(last = *next);
  }
}

std::optional<Instant> outlived_until(store::Transaction& tx, const std::string& type, const RetentionRule& rule,
                                      Instant now) {
  std::optional<Instant> until;
  if (rule.keep > Duration(0)) until = now - rule.keep;
  const auto first_too_many = tx.query(
      "SELECT completed_at FROM runs WHERE type = $1 AND completed_at IS NOT NULL ORDER BY completed_at DESC LIMIT 1 "
      "OFFSET $2",
      {type, rule.newest_max});
  if (rule.newest_max > 0 && !first_too_many.empty())
    until = std::max(until.value_or(first_too_many.front().instant(0)), first_too_many.front().instant(0));
  return until;
}

std::vector<Expired> oldest(store::Transaction& tx, const std::string& type, Instant until) {
  std::vector<RunId> ids;
  for (const auto& row :
       tx.query("SELECT id FROM runs WHERE type = $1 AND completed_at IS NOT NULL AND completed_at <= $2 "
                "ORDER BY completed_at LIMIT $3",
                {type, until, kBatch}))
    ids.emplace_back(row.text(0));
  std::vector<Expired> expired;
  for (const auto& id : ids) {
    Expired run{.row = *journal::find(tx, id), .events = {}};
    try {
      run.events = journal::events(tx, id);
    } catch (const base::Error& error) {
      if (error.error_class() != base::ErrorClass::internal) throw;  // the store's; ours is a journal of the future
    }
    expired.push_back(std::move(run));
  }
  return expired;
}

std::int64_t remove(store::Transaction& tx, const std::vector<RunId>& runs) {
  std::int64_t removed = 0;
  for (const auto& run : runs) {
    if (tx.execute("DELETE FROM runs WHERE id = $1 AND completed_at IS NOT NULL", {run.str()}) == 0) continue;
    tx.execute("DELETE FROM run_events WHERE run_id = $1", {run.str()});
    tx.execute("DELETE FROM run_payloads WHERE run_id = $1", {run.str()});
    tx.execute("DELETE FROM run_inputs WHERE run_id = $1", {run.str()});
    ++removed;
  }
  return removed;
}

std::string to_json_line(const Expired& expired) {
  const auto& [row, events] = expired;
  const auto text_or_null = [](const std::string& text) {
    return text.empty() ? json::Value(nullptr) : json::Value(text);
  };
  json::Object run{{"runId", row.record.id.str()},
                   {"type", row.record.type},
                   {"status", json::to_value(row.status)},
                   {"resourceType", row.record.resource_type},
                   {"resourceId", row.record.resource_id},
                   {"triggeredBy", row.record.triggered_by},
                   {"parentRunId", text_or_null(row.record.parent_id)},
                   {"input", row.record.input},
                   {"output", row.output},
                   {"needsAttention", row.needs_attention},
                   {"startedAt", json::to_value(row.record.started_at)}};
  run["completedAt"] = row.completed_at ? json::to_value(*row.completed_at) : json::Value(nullptr);
  run["error"] = row.failure ? json::Value{{"code", row.failure->code},
                                           {"message", row.failure->message},
                                           {"step", text_or_null(row.failed_step)}}
                             : json::Value(nullptr);
  json::Array journal;
  for (const auto& event : events)
    journal.push_back({{"seq", event.seq},
                       {"type", json::to_value(event.type)},
                       {"at", json::to_value(event.at)},
                       {"step", text_or_null(event.step)},
                       {"data", event.data}});
  return json::print_value(json::Object{{"run", std::move(run)}, {"events", std::move(journal)}});
}

}  // namespace slipway::durable::retention
