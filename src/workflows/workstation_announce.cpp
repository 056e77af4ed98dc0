#include "workflows/workstation_announce.h"

#include "fleet/alert.h"
#include "fleet/audit.h"

namespace slipway::workflows {

using namespace std::chrono_literals;
using durable::Attempt;
using durable::Context;
using durable::Run;
using store::Transaction;

namespace {

// A mail server or Pub/Sub that is down for an afternoon (WP-15).
durable::Retry patient(std::string endpoint) {
  return {.attempts_max = 20,
          .first_delay = 1s,
          .delay_max = 15min,
          .quota_delay_max = 15min,
          .time_max = 4h,
          .endpoint = std::move(endpoint)};
}

struct Telling {
  std::string step;   // send-email
  std::string alert;  // mail.failed
  durable::Retry retry;
  std::function<std::string(Attempt&)> tell;  // gives what the other side calls it
};

void report(Transaction& tx, const WorkstationServices& services, const std::string& id, const Telling& telling,
            const durable::Failure& failure, const RunId& run) {
  const auto record = services.workstation(tx, id);
  fleet::raise_alert(tx,
                     {.kind = telling.alert,
                      .severity = fleet::AlertSeverity::warning,
                      .resource_type = "workstation",
                      .resource_id = id,
                      .owner_id = record.user_id,
                      .run_id = run.str(),
                      .message = telling.step + " failed: " + failure.message + "; the workstation is ready",
                      .details = json::Object{{"code", failure.code}}},
                     services.clock.now());
}

Run<> tell(Context& run, const WorkstationServices& services, std::string id, Telling telling) {
  std::optional<durable::Failure> failure;
  try {
    co_await run.step(telling.step, telling.retry, [&](Attempt& attempt) { return telling.tell(attempt); });
  } catch (const durable::Cancelled&) {
    throw;
  } catch (const base::Error& error) {
    failure = durable::to_failure(error);
  }
  if (failure)
    co_await run.transaction("report-" + telling.step,
                             [&](Transaction& tx) { report(tx, services, id, telling, *failure, run.id()); });
}

using LookAt = providers::workstations::Look (providers::workstations::WorkstationCloud::*)(const std::string&,
                                                                                            const std::string&,
                                                                                            std::stop_token);
using Begin = std::string (providers::workstations::WorkstationCloud::*)(const std::string&, std::stop_token);

CloudWork work_on(const WorkstationServices& services, const std::string& resource, std::string step, std::string wait,
                  Begin begin, LookAt look) {
  auto& cloud = services.cloud;
  return {.step = std::move(step),
          .wait = std::move(wait),
          .resource = resource,
          .begin = [&cloud, begin, resource](Attempt& attempt) { return (cloud.*begin)(resource, attempt.stop()); },
          .look = [&cloud, look, resource](const std::string& operation,
                                           std::stop_token stop) { return (cloud.*look)(resource, operation, stop); },
          .undo = {}};
}

}  // namespace

using providers::workstations::WorkstationCloud;

CloudWork starting(const WorkstationServices& services, const std::string& resource) {
  return work_on(services, resource, "start-workstation", "wait-until-running", &WorkstationCloud::start,
                 &WorkstationCloud::look_running);
}

CloudWork stopping(const WorkstationServices& services, const std::string& resource) {
  return work_on(services, resource, "stop-workstation", "wait-until-stopped", &WorkstationCloud::stop,
                 &WorkstationCloud::look_stopped);
}

CloudWork removing(const WorkstationServices& services, const std::string& resource) {
  return work_on(services, resource, "delete-workstation", "wait-until-deleted", &WorkstationCloud::remove,
                 &WorkstationCloud::look_gone);
}

Run<> send_ready_mail(Context& run, const WorkstationServices& services, std::string id) {
  co_await tell(run, services, id,
                {.step = "send-email",
                 .alert = std::string(kMailAlert),
                 .retry = patient("mail"),
                 .tell = [&services, id, mail_id = run.id().str()](Attempt& attempt) -> std::string {
                   if (!services.announce.send_mail) return "no mail server is configured";
                   services.announce.send_mail({mail_id, services.workstation(id)}, attempt.stop());
                   return "sent";
                 }});
}

Run<> publish_ready(Context& run, const WorkstationServices& services, std::string user_id, std::string resource_name) {
  const auto timestamp = base::format_rfc3339(run.now());
  const auto record_id = resource_name.substr(resource_name.rfind('/') + 1);
  co_await tell(run, services, record_id,
                {.step = "publish-event",
                 .alert = std::string(kEventAlert),
                 .retry = patient("pubsub"),
                 .tell = [&, event_id = run.id().str() + ".ready"](Attempt& attempt) -> std::string {
                   if (!services.announce.publish) return "Pub/Sub is not configured";
                   return services.announce.publish({.event_id = event_id,
                                                     .type = "workstation.ready",
                                                     .data = json::Object{{"event", "workstation.ready"},
                                                                          {"user_id", user_id},
                                                                          {"workstation_id", resource_name},
                                                                          {"timestamp", timestamp}}},
                                                    attempt.stop());
                 }});
}

void audit_workstation(Transaction& tx, const WorkstationDeed& deed, const RunId& run, const OrderSource& source,
                       base::Instant now) {
  auto entry = fleet::audit_of_run(run, now, source.by, source.remote);
  entry.action = deed.action;
  entry.resource_type = "workstation";
  entry.resource_id = deed.id;
  entry.outcome = deed.outcome;
  json::Object details{{"source", source.kind}};
  if (!deed.error_code.empty()) details["errorCode"] = deed.error_code;
  if (!source.message_id.empty()) details["messageId"] = source.message_id;
  entry.details = std::move(details);
  fleet::audit(tx, std::move(entry));
}

}  // namespace slipway::workflows
