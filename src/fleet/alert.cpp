#include "fleet/alert.h"

#include "base/enum_name.h"
#include "fleet/change_feed.h"
#include "fleet/shortened.h"

namespace slipway::fleet {
namespace {

#define ALERT_COLUMNS                                                                                             \
  "id, kind, severity, state, resource_type, resource_id, owner_id, run_id, message, details, count, raised_at, " \
  "last_raised_at, acknowledged_at, acknowledged_by, resolved_at, resolved_by, note, version "

#define ALERT_FILTER                                                                                        \
  "WHERE (owner_id = $1 OR $1 IS NULL) AND (state IN ($2, $3, $4) OR $2 IS NULL) "                          \
  "AND (severity = $5 OR $5 IS NULL) AND (kind = $6 OR $6 IS NULL) AND (resource_type = $7 OR $7 IS NULL) " \
  "AND (resource_id = $8 OR $8 IS NULL) AND (run_id = $9 OR $9 IS NULL) "

#define THE_ONE_NOT_RESOLVED "WHERE kind = $1 AND resource_type = $2 AND resource_id = $3 AND resolved_at IS NULL "

using base::name_of;
using base::value_of;

Alert to_alert(const store::Row& row) {
  return {.id = AlertId(row.text(0)),
          .kind = row.text(1),
          .severity = value_of<AlertSeverity>(row.text(2)),
          .state = value_of<AlertState>(row.text(3)),
          .resource_type = row.text(4),
          .resource_id = row.text(5),
          .owner_id = row.text(6).empty() ? std::nullopt : std::optional(row.text(6)),
          .run_id = row.text_or_null(7),
          .message = row.text(8),
          .details = json::parse_value(row.text(9)),
          .count = row.integer(10),
          .raised_at = row.instant(11),
          .last_raised_at = row.instant(12),
          .acknowledged_at = row.instant_or_null(13),
          .acknowledged_by = row.text_or_null(14),
          .resolved_at = row.instant_or_null(15),
          .resolved_by = row.text_or_null(16),
          .note = row.text(17),
          .version = row.integer(18)};
}

std::vector<Alert> to_alerts(const store::Rows& rows) {
  std::vector<Alert> alerts;
  alerts.reserve(rows.size());
  for (const auto& row : rows) alerts.push_back(to_alert(row));
  return alerts;
}

// Ids sort by the time at which an alert was raised. Nobody has to guess or repeat them, so they need no generator of
// the caller's.
class FixedClock final : public base::Clock {
 public:
  explicit FixedClock(base::Instant at) : at_(at) {}
  base::Instant now() const override { return at_; }

 private:
  base::Instant at_;
};

AlertId make_id(base::Instant now) {
  const FixedClock clock(now);
  base::SystemRandom random;
  return AlertId(base::IdGenerator(clock, random).make(AlertKind::prefix));
}

void tell(store::Transaction& tx, const Alert& alert, std::string_view what, base::Instant now) {
  record_change(tx, base::UserId(alert.owner_id.value_or("")), "alert." + std::string(what), alert.id.str(), now,
                json::to_value(alert));
}

std::vector<store::Parameter> filter_parameters(const Scope& scope, const AlertFilter& filter) {
  std::vector<store::Parameter> parameters{scope.owner_id()};
  constexpr std::size_t kStates = 3;
  for (std::size_t i = 0; i < kStates; ++i) {  // fewer states are repeated
    if (filter.states.empty())
      parameters.emplace_back(std::nullopt);
    else
      parameters.emplace_back(name_of(filter.states.at(std::min(i, filter.states.size() - 1))));
  }
  parameters.push_back(filter.severity ? store::Parameter(name_of(*filter.severity)) : store::Parameter(std::nullopt));
  parameters.emplace_back(filter.kind);
  parameters.emplace_back(filter.resource_type);
  parameters.emplace_back(filter.resource_id);
  parameters.emplace_back(filter.run_id);
  return parameters;
}

std::optional<AlertSeverity> severity_until_now(store::Transaction& tx, const RaiseAlert& request) {
  const auto rows = tx.query("SELECT severity FROM alerts " THE_ONE_NOT_RESOLVED,
                             {request.kind, request.resource_type, request.resource_id});
  if (rows.empty()) return std::nullopt;
  return value_of<AlertSeverity>(rows.front().text(0));
}

void store_state(store::Transaction& tx, Alert& alert) {
  ++alert.version;
  tx.execute(
      "UPDATE alerts SET state = $2, acknowledged_at = $3, acknowledged_by = $4, resolved_at = $5, resolved_by = $6, "
      "note = $7, version = $8 WHERE id = $1",
      {alert.id.str(), name_of(alert.state), alert.acknowledged_at, alert.acknowledged_by, alert.resolved_at,
       alert.resolved_by, alert.note, alert.version});
}

}  // namespace

const json::Rules& json_rules(const Alert*) {
  static const json::Rules rules{
      {.member = "kind", .description = "What the trouble is", .example = R"("workstation.quota")"},
      {.member = "owner_id", .description = "Whose resource it is about; absent: nobody's"},
      {.member = "run_id", .description = "The run that met it last"},
      {.member = "message", .description = "Of the last time, for people"},
      {.member = "details", .description = "Of the last time, for programs"},
      {.member = "count", .description = "How often it was raised since it was resolved last"},
      {.member = "resolved_by", .description = "A user, or the part of the hub that found the trouble gone"},
      {.member = "note", .description = "Of who acknowledged or resolved it"},
      {.member = "version", .description = "Grows with state and severity"}};
  return rules;
}

Alert raise_alert(store::Transaction& tx, const RaiseAlert& request, base::Instant now) {
#define IF_IT_GREW "CASE WHEN excluded.severity = 'critical' AND alerts.severity <> 'critical' THEN "
  const auto before = severity_until_now(tx, request);
  const auto rows = tx.query(
      "INSERT INTO alerts (id, kind, severity, state, resource_type, resource_id, owner_id, run_id, message, details, "
      "count, raised_at, last_raised_at, note, version) "
      "VALUES ($1, $2, $3, 'open', $4, $5, $6, $7, $8, $9, 1, $10, $10, '', 1) "
      "ON CONFLICT (kind, resource_type, resource_id) WHERE resolved_at IS NULL DO UPDATE SET "
      "state = " IF_IT_GREW
      "'open' ELSE alerts.state END, "
      "acknowledged_at = " IF_IT_GREW
      "NULL ELSE alerts.acknowledged_at END, "
      "acknowledged_by = " IF_IT_GREW
      "NULL ELSE alerts.acknowledged_by END, "
      "version = alerts.version + " IF_IT_GREW
      "1 ELSE 0 END, "
      "severity = " IF_IT_GREW
      "'critical' ELSE alerts.severity END, "
      "run_id = excluded.run_id, message = excluded.message, details = excluded.details, count = alerts.count + 1, "
      "last_raised_at = excluded.last_raised_at "
      "RETURNING " ALERT_COLUMNS,
      {make_id(now).str(), request.kind, name_of(request.severity), request.resource_type, request.resource_id,
       request.owner_id.value_or(""), request.run_id, shortened(request.message, kAlertMessageMax),
       json::print_value(request.details), now});
#undef IF_IT_GREW
  const auto alert = to_alert(rows.front());
  if (alert.count == 1 || (before && *before != alert.severity)) tell(tx, alert, "raised", now);
  return alert;
}

std::optional<Alert> resolve_alert(store::Transaction& tx, std::string_view kind, std::string_view resource_type,
                                   std::string_view resource_id, std::string_view by, base::Instant now) {
  const auto rows =
      tx.query("SELECT " ALERT_COLUMNS "FROM alerts " THE_ONE_NOT_RESOLVED, {kind, resource_type, resource_id});
  if (rows.empty()) return std::nullopt;
  auto alert = to_alert(rows.front());
  resolve_alert(tx, alert, by, alert.note, now);
  return alert;
}

void acknowledge_alert(store::Transaction& tx, Alert& alert, std::string_view by, const std::string& note,
                       base::Instant now) {
  if (alert.state != AlertState::open) throw base::invalid_state("the alert is " + name_of(alert.state) + " already");
  alert.state = AlertState::acknowledged;
  alert.acknowledged_at = now;
  alert.acknowledged_by = std::string(by);
  alert.note = note;
  store_state(tx, alert);
  tell(tx, alert, "acknowledged", now);
}

void resolve_alert(store::Transaction& tx, Alert& alert, std::string_view by, const std::string& note,
                   base::Instant now) {
  if (alert.state == AlertState::resolved) throw base::invalid_state("the alert is resolved already");
  alert.state = AlertState::resolved;
  alert.resolved_at = now;
  alert.resolved_by = std::string(by);
  alert.note = note;
  store_state(tx, alert);
  tell(tx, alert, "resolved", now);
}

Alert get_alert(store::Transaction& tx, const Scope& scope, const AlertId& id) {
  const auto rows = tx.query("SELECT " ALERT_COLUMNS "FROM alerts WHERE id = $2 AND (owner_id = $1 OR $1 IS NULL)",
                             {scope.owner_id(), id.str()});
  if (rows.empty()) throw base::not_found("alert", id.str());
  return to_alert(rows.front());
}

std::vector<Alert> list_alerts(store::Transaction& tx, const Scope& scope, const AlertFilter& filter) {
  auto parameters = filter_parameters(scope, filter);
  parameters.push_back(filter.before.empty() ? store::Parameter(std::nullopt) : store::Parameter(filter.before));
  parameters.emplace_back(filter.limit);
  parameters.emplace_back(filter.offset);
  return to_alerts(tx.query("SELECT " ALERT_COLUMNS "FROM alerts " ALERT_FILTER
                            "AND (id < $10 OR $10 IS NULL) ORDER BY id DESC LIMIT $11 OFFSET $12",
                            parameters));
}

std::int64_t count_alerts(store::Transaction& tx, const Scope& scope, const AlertFilter& filter) {
  return tx.query("SELECT COUNT(*) FROM alerts " ALERT_FILTER, filter_parameters(scope, filter)).front().integer(0);
}

std::vector<OpenAlerts> count_open_alerts(store::Transaction& tx) {
  std::vector<OpenAlerts> counts;
  for (const auto& row : tx.query("SELECT kind, severity, COUNT(*) FROM alerts WHERE resolved_at IS NULL "
                                  "GROUP BY kind, severity ORDER BY kind, severity"))
    counts.push_back({row.text(0), value_of<AlertSeverity>(row.text(1)), row.integer(2)});
  return counts;
}

std::vector<Alert> alerts_to_notify(store::Transaction& tx, std::int64_t limit) {
  return to_alerts(tx.query("SELECT " ALERT_COLUMNS
                            "FROM alerts WHERE resolved_at IS NULL AND notified_at IS NULL ORDER BY id LIMIT $1",
                            {limit}));
}

std::int64_t count_alerts_to_notify(store::Transaction& tx) {
  return tx.query("SELECT COUNT(*) FROM alerts WHERE resolved_at IS NULL AND notified_at IS NULL").front().integer(0);
}

void set_alert_notified(store::Transaction& tx, const AlertId& id, base::Instant now) {
  tx.execute("UPDATE alerts SET notified_at = $2 WHERE id = $1", {id.str(), now});
}

std::int64_t forget_alerts(store::Transaction& tx, base::Instant before) {
  return tx.execute(
      "DELETE FROM alerts WHERE id IN (SELECT id FROM alerts WHERE resolved_at < $1 ORDER BY resolved_at LIMIT $2)",
      {before, kRemovedAtOnce});
}

}  // namespace slipway::fleet
