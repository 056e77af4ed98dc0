#include "api/why_alert.h"

namespace slipway::api {

Why explain_alert(store::Transaction& tx, const fleet::Scope& scope, const fleet::AlertId& id) {
  const auto alert = fleet::get_alert(tx, scope, id);
  Why why{.id = id.str(),
          .kind = "alert",
          .state = boost::describe::enum_to_string(alert.state, ""),
          .because = {alert.message},
          .next = {}};
  why.because.push_back("it is " + alert.kind + " of " + alert.resource_type + " " + alert.resource_id + ", raised " +
                        (alert.count == 1 ? "once" : std::to_string(alert.count) + " times, the last") + " at " +
                        base::format_rfc3339(alert.last_raised_at));
  if (alert.run_id) why.because.push_back("run " + *alert.run_id + " met it");
  if (alert.acknowledged_by)
    why.because.push_back(*alert.acknowledged_by + " has seen it at " + base::format_rfc3339(*alert.acknowledged_at));
  if (alert.resolved_by)
    why.because.push_back("it was resolved by " + *alert.resolved_by + " at " +
                          base::format_rfc3339(*alert.resolved_at));
  if (!alert.note.empty()) why.because.push_back("note: " + alert.note);
  why.next.push_back(alert.state == fleet::AlertState::resolved
                         ? WhyNext{"nothing; the same trouble would be a new alert", {}}
                         : WhyNext{"it is resolved when its trouble is over, or by an admin", {}});
  return why;
}

}  // namespace slipway::api
