#pragma once
// Alerts: what needs the attention of a person, as records, for those without Prometheus (WP-1, WP-6, WP-11, WP-15).
//
// Whoever finds a trouble raises it in the transaction in which it is recorded, and resolves it when it is over. Of one
// kind and resource there is one alert at a time: raised again it is counted up, and once resolved it is told anew. The
// feed of changes has alert.raised, also when the severity grew, alert.acknowledged and alert.resolved.

#include <array>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/id.h"
#include "base/json.h"
#include "fleet/scope.h"
#include "store/store.h"

namespace slipway::fleet {

struct AlertKind {
  static constexpr std::string_view prefix = "alr_", name = "alert";
};
using AlertId = base::Id<AlertKind>;

enum class AlertSeverity { warning, critical };
BOOST_DESCRIBE_ENUM(AlertSeverity, warning, critical)
enum class AlertState {
  open,
  acknowledged,  // somebody looks after it
  resolved,      // by what raised it, or by a person
};
BOOST_DESCRIBE_ENUM(AlertState, open, acknowledged, resolved)

struct Alert {
  AlertId id;
  std::string kind;  // workstation.quota
  AlertSeverity severity = AlertSeverity::warning;
  AlertState state = AlertState::open;
  std::string resource_type, resource_id;
  std::optional<std::string> owner_id;   // absent: about nobody's resource; only admins see it
  std::optional<std::string> run_id;     // where the trouble was met last
  std::string message;                   // of the last time
  json::Value details = json::Object{};  // likewise
  std::int64_t count = 1;                // how often it was raised
  base::Instant raised_at, last_raised_at;
  std::optional<base::Instant> acknowledged_at;
  std::optional<std::string> acknowledged_by;
  std::optional<base::Instant> resolved_at;
  std::optional<std::string> resolved_by;  // a user, or the part of the hub that found the trouble gone
  std::string note;                        // of who acknowledged or resolved it
  std::int64_t version = 1;                // grows with state and severity, but not with `count`
};
SLIPWAY_JSON_CAMEL(Alert, id, kind, severity, state, resource_type, resource_id, owner_id, run_id, message, details,
                   count, raised_at, last_raised_at, acknowledged_at, acknowledged_by, resolved_at, resolved_by, note,
                   version)
const json::Rules& json_rules(const Alert*);

struct RaiseAlert {
  std::string kind;
  AlertSeverity severity = AlertSeverity::warning;
  std::string resource_type, resource_id;
  std::optional<std::string> owner_id;
  std::optional<std::string> run_id;
  std::string message;  // a sentence for people; cut at kAlertMessageMax
  json::Value details = json::Object{};
};
inline constexpr std::size_t kAlertMessageMax = 1'000;  // characters; more belongs into a log

// The alert as it is now. While one of the same kind and resource is not resolved, that one is counted up; a greater
// severity reopens it if it was acknowledged.
Alert raise_alert(store::Transaction& tx, const RaiseAlert& request, base::Instant now);
// Empty when there was none to resolve. `by` says who or what found the trouble gone.
std::optional<Alert> resolve_alert(store::Transaction& tx, std::string_view kind, std::string_view resource_type,
                                   std::string_view resource_id, std::string_view by, base::Instant now);

// By a person. Throw INVALID_STATE_TRANSITION when it is resolved, or acknowledged already.
void acknowledge_alert(store::Transaction& tx, Alert& alert, std::string_view by, const std::string& note,
                       base::Instant now);
void resolve_alert(store::Transaction& tx, Alert& alert, std::string_view by, const std::string& note,
                   base::Instant now);

// Throws NOT_FOUND: what belongs to others is not there.
Alert get_alert(store::Transaction& tx, const Scope& scope, const AlertId& id);
struct AlertFilter {
  std::vector<AlertState> states;  // empty: any
  std::optional<AlertSeverity> severity;
  std::optional<std::string> kind, resource_type, resource_id, run_id;
  std::string before;  // cursor: ids smaller than this; empty: from the newest
  std::int64_t offset = 0;
  std::int64_t limit = 50;
};
// Newest first.
std::vector<Alert> list_alerts(store::Transaction& tx, const Scope& scope, const AlertFilter& filter);
std::int64_t count_alerts(store::Transaction& tx, const Scope& scope, const AlertFilter& filter);

struct OpenAlerts {
  std::string kind;
  AlertSeverity severity = AlertSeverity::warning;
  std::int64_t count = 0;
  bool operator==(const OpenAlerts&) const = default;
};
// What is not resolved, acknowledged or not, by kind and severity: for the gauge.
std::vector<OpenAlerts> count_open_alerts(store::Transaction& tx);

// Those of which on-call was not told by mail, oldest first.
std::vector<Alert> alerts_to_notify(store::Transaction& tx, std::int64_t limit);
std::int64_t count_alerts_to_notify(store::Transaction& tx);
void set_alert_notified(store::Transaction& tx, const AlertId& id, base::Instant now);

// Removes the oldest of those resolved before `before`, at most kRemovedAtOnce; gives how many.
std::int64_t forget_alerts(store::Transaction& tx, base::Instant before);

}  // namespace slipway::fleet
