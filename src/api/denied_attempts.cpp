#include "api/denied_attempts.h"

#include "fleet/audit.h"
#include "fleet/shortened.h"

namespace slipway::api {
namespace {

constexpr std::size_t kPathMax = 300;  // bytes

}  // namespace

void DeniedAttempts::note(const Call& call) {
  if (!rates_.admit(call.caller->user.str(), call.hub.clock.monotonic()).admitted) {
    call.hub.metrics
        .counter("slipway_audit_denied_skipped_total", "Denied attempts beyond what a caller's are audited.")
        .increment();
    return;
  }
  fleet::AuditEntry entry{.at = call.hub.clock.now(),
                          .actor_id = call.caller->user.str(),
                          .action = std::string(net::to_string(call.request.method)) + " " + call.route,
                          .resource_type = "route",
                          .resource_id = fleet::shortened(call.request.path, kPathMax),
                          .outcome = fleet::AuditOutcome::denied,
                          .request_id = call.request_id,
                          .remote = call.request.peer,
                          .details = json::Object{{"key", call.caller->key_id}}};
  call.hub.database.write([entry](store::Transaction& tx) { fleet::audit(tx, entry); },
                          [&log = call.hub.log](std::exception_ptr failure) {
                            if (failure)
                              log.warning("a denied attempt is not audited",
                                          {{"error", base::as_error(failure).what()}});
                          });
}

}  // namespace slipway::api
