#include "api/why_workstation.h"

namespace slipway::api {
namespace {

using fleet::Workstation;
using fleet::WorkstationStatus;

std::string since(const std::optional<base::Instant>& at) { return at ? " at " + base::format_rfc3339(*at) : ""; }

std::string what_next(WorkstationStatus status) {
  switch (status) {
    case WorkstationStatus::running:
      return "nothing, until it is stopped, changed or taken away, or the cloud stops it because nobody uses it";
    case WorkstationStatus::stopped:
      return "nothing, until it is started";
    case WorkstationStatus::deleted:
      return "nothing: its record stays, for reports and the audit";
    case WorkstationStatus::failed:
      return "nothing by itself: an admin retries its run, or deletes it";
    case WorkstationStatus::lost:
      return "nothing by itself: an admin deletes it and orders another";
    default:
      return "nothing by itself: the next sweep compares it with the cloud";
  }
}

std::string in_words(const Workstation& workstation) {
  switch (workstation.status) {
    case WorkstationStatus::running:
      return "it runs as " + workstation.gcp_workstation_id.value_or(workstation.resource_name());
    case WorkstationStatus::stopped:
      return "its machine is stopped; its disk is kept";
    case WorkstationStatus::deleted:
      return "it was taken away" + since(workstation.updated_at);
    case WorkstationStatus::lost:
      return "the cloud does not have it any more: somebody else took it away";
    default:
      return "it was ordered" + since(workstation.created_at) + " as " + workstation.tier + " for " +
             workstation.user_id + " of " + workstation.organization_id;
  }
}

}  // namespace

bool is_workstation_id(const std::string& id) { return id.starts_with("ws-"); }

Why explain_workstation(const Workstation& workstation) {
  Why why{.id = workstation.id,
          .kind = "workstation",
          .state = boost::describe::enum_to_string(workstation.status, ""),
          .because = {in_words(workstation)},
          .next = {}};
  if (workstation.error)
    why.because.push_back("its last trouble: " + workstation.error->code + ": " + workstation.error->message);
  if (workstation.waiting_for)
    why.because.push_back("it waits for " + *workstation.waiting_for +
                          ": the cloud has no room for it now, and it is tried again until there is");
  if (workstation.run_id)
    why.because.push_back("run " + workstation.run_id->str() + " is at work on it");
  else
    why.next.push_back({what_next(workstation.status), {}});
  return why;
}

}  // namespace slipway::api
