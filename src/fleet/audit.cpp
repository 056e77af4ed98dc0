#include "fleet/audit.h"

#include <boost/describe/enum_to_string.hpp>

#include "fleet/audit_chain.h"

namespace slipway::fleet {
namespace {

#define ENTRIES                                                                                          \
  "SELECT seq, at, actor_id, action, resource_type, resource_id, outcome, request_id, remote, details, " \
  "prev_hash, hash FROM audit_log "

// What somebody put into the table by hand is shown as it is.
json::Value details_of(const std::string& text) {
  try {
    return json::parse_value(text);
  } catch (const base::Error&) {
    return json::Value(text);
  }
}

AuditOutcome outcome_of(const std::string& text) {
  auto outcome = AuditOutcome::failure;
  boost::describe::enum_from_string(text.c_str(), outcome);
  return outcome;
}

AuditEntry to_entry(const store::Row& row) {
  return {.seq = row.integer(0),
          .at = row.instant(1),
          .actor_id = row.text(2),
          .action = row.text(3),
          .resource_type = row.text(4),
          .resource_id = row.text(5),
          .outcome = outcome_of(row.text(6)),
          .request_id = row.text(7),
          .remote = row.text(8),
          .details = details_of(row.text(9)),
          .prev_hash = row.text(10),
          .hash = row.text(11)};
}

// The conditions of a question, put together piece by piece: only those that are asked for, so that each database finds
// the index.
class Question {
 public:
  explicit Question(const AuditFilter& filter) {
    if (filter.actor_id) add("actor_id = $", *filter.actor_id);
    if (filter.resource_type) add("resource_type = $", *filter.resource_type);
    if (filter.resource_id) add("resource_id = $", *filter.resource_id);
    if (filter.outcome) add("outcome = $", boost::describe::enum_to_string(*filter.outcome, ""));
    if (filter.since) add("at >= $", *filter.since);
    if (filter.until) add("at < $", *filter.until);
    if (!filter.action) return;
    const std::string action = "CAST($" + put(*filter.action) + " AS TEXT)";
    add_condition("substr(action, 1, length(" + action + ")) = " + action);
  }
  void add(const std::string& condition, store::Parameter value) { add_condition(condition + put(std::move(value))); }
  std::string put(store::Parameter value) {
    parameters_.push_back(std::move(value));
    return std::to_string(parameters_.size());
  }
  store::Rows ask(store::Transaction& tx, const std::string& select, const std::string& rest = {}) const {
    return tx.query(select + conditions_ + rest, parameters_);
  }
  bool is_for_all() const { return conditions_.empty(); }

 private:
  void add_condition(const std::string& condition) {
    conditions_ += (conditions_.empty() ? "WHERE " : " AND ") + condition;
  }

  std::string conditions_;
  std::vector<store::Parameter> parameters_;
};

}  // namespace

AuditEntry audit_of_run(const base::RunId& run, base::Instant at, std::string_view actor, std::string remote) {
  AuditEntry entry;
  entry.at = at;
  entry.actor_id = actor;
  entry.request_id = run.str();
  entry.remote = std::move(remote);
  return entry;
}

std::vector<AuditEntry> list_audit(store::Transaction& tx, const AuditFilter& filter,
                                   std::optional<std::int64_t> before, std::int64_t limit) {
  Question question(filter);
  if (before) question.add("seq < $", *before);
  const std::string limit_at = question.put(limit);
  std::vector<AuditEntry> entries;
  for (const auto& row : question.ask(tx, ENTRIES, " ORDER BY seq DESC LIMIT $" + limit_at))
    entries.push_back(to_entry(row));
  return entries;
}

std::int64_t count_audit(store::Transaction& tx, const AuditFilter& filter) {
  const Question question(filter);
  if (question.is_for_all()) return audit_place(tx).seq;  // there are no gaps
  return question.ask(tx, "SELECT COUNT(*) FROM audit_log ").front().integer(0);
}

std::optional<AuditEntry> find_audit(store::Transaction& tx, std::int64_t seq) {
  const auto rows = tx.query(ENTRIES "WHERE seq = $1", {seq});
  return rows.empty() ? std::nullopt : std::optional(to_entry(rows.front()));
}

}  // namespace slipway::fleet
