#include "workflows/workstation_changes.h"

#include "fleet/alert.h"
#include "workflows/workstation_announce.h"

namespace slipway::workflows {

using durable::Attempt;
using durable::Context;
using durable::Run;
using fleet::Scope;
using fleet::Workstation;
using fleet::WorkstationStatus;
using store::Transaction;

namespace {

struct Subject {
  Workstation workstation;
  WorkstationLimits limits;
};
SLIPWAY_JSON_CAMEL(Subject, workstation, limits)

Run<Subject> look_up(Context& run, const WorkstationServices& services, std::string id) {
  co_return co_await run.transaction(
      "look-up", [&](Transaction& tx) { return Subject{services.workstation(tx, id), services.limits}; });
}

void finish(Transaction& tx, const WorkstationServices& services, const std::string& id, WorkstationStatus status,
            std::string_view action, const OrderSource& source, const RunId& run) {
  const auto now = services.clock.now();
  fleet::finish_workstation(tx, id, run, status, now);
  resolve_workstation_alerts(tx, id, action, now);
  audit_workstation(tx, {.action = std::string(action), .id = id}, run, source, now);
}

void fail(Transaction& tx, const WorkstationRequest& request, WorkstationStatus status, const durable::BadEnd& end,
          std::string_view action) {
  fail_workstation(tx, request.workstation_id, status, end, std::string(action));
  audit_workstation(tx,
                    {.action = std::string(action),
                     .id = request.workstation_id,
                     .outcome = fleet::AuditOutcome::failure,
                     .error_code = end.failure.code},
                    end.run, request.source, end.at);
}

void retry(Transaction& tx, const WorkstationRequest& request, const durable::Again& again, WorkstationStatus status) {
  auto record = fleet::get_workstation(tx, Scope::everything("a retry of a run on it"), request.workstation_id);
  if (record.status == WorkstationStatus::deleted) throw base::invalid_state("the workstation is gone");
  fleet::take_workstation(tx, record, again.run, status, again.at);
}

}  // namespace

// ---- start

std::vector<std::string> WorkstationStart::outline() {
  return {"look-up", "start-workstation", "wait-until-running", "update-record"};
}

Run<> WorkstationStart::operator()(Context& run, WorkstationRequest request) const {
  const auto [record, limits] = co_await look_up(run, services_, request.workstation_id);
  co_await do_in_cloud(run, services_, limits, record.id, starting(services_, record.resource_name()));
  co_await run.transaction("update-record", [&](Transaction& tx) {
    finish(tx, services_, record.id, WorkstationStatus::running, kType, request.source, run.id());
  });
}

void WorkstationStart::on_failure(Transaction& tx, const WorkstationRequest& request,
                                  const durable::BadEnd& end) const {
  fail(tx, request, WorkstationStatus::stopped, end, kType);
}
void WorkstationStart::on_retry(Transaction& tx, const WorkstationRequest& request, const durable::Again& again) const {
  retry(tx, request, again, WorkstationStatus::starting);
}

// ---- stop

std::vector<std::string> WorkstationStop::outline() {
  return {"look-up", "stop-workstation", "wait-until-stopped", "update-record"};
}

Run<> WorkstationStop::operator()(Context& run, WorkstationRequest request) const {
  const auto [record, limits] = co_await look_up(run, services_, request.workstation_id);
  co_await do_in_cloud(run, services_, limits, record.id, stopping(services_, record.resource_name()));
  co_await run.transaction("update-record", [&](Transaction& tx) {
    finish(tx, services_, record.id, WorkstationStatus::stopped, kType, request.source, run.id());
  });
}

void WorkstationStop::on_failure(Transaction& tx, const WorkstationRequest& request, const durable::BadEnd& end) const {
  fail(tx, request, WorkstationStatus::running, end, kType);
}
void WorkstationStop::on_retry(Transaction& tx, const WorkstationRequest& request, const durable::Again& again) const {
  retry(tx, request, again, WorkstationStatus::stopping);
}

// ---- offboard

std::vector<std::string> WorkstationOffboard::outline() {
  return {"look-up",      "stop-workstation", "wait-until-stopped", "delete-workstation", "wait-until-deleted",
          "update-record"};
}

Run<> WorkstationOffboard::operator()(Context& run, WorkstationRequest request) const {
  const auto [record, limits] = co_await look_up(run, services_, request.workstation_id);
  co_await do_in_cloud(run, services_, limits, record.id, stopping(services_, record.resource_name()));
  co_await do_in_cloud(run, services_, limits, record.id, removing(services_, record.resource_name()));
  co_await run.transaction("update-record", [&](Transaction& tx) {
    finish(tx, services_, record.id, WorkstationStatus::deleted, kType, request.source, run.id());
  });
}

void WorkstationOffboard::on_failure(Transaction& tx, const WorkstationRequest& request,
                                     const durable::BadEnd& end) const {
  fail(tx, request, WorkstationStatus::failed, end, kType);
}
void WorkstationOffboard::on_retry(Transaction& tx, const WorkstationRequest& request,
                                   const durable::Again& again) const {
  retry(tx, request, again, WorkstationStatus::deleting);
}

// ---- another tier

namespace {

struct Move {
  WorkstationLimits limits;
  Workstation from;
  fleet::Tier tier;
  std::string config;
  std::string id;
  std::string name() const { return config + "/workstations/" + id; }
};
SLIPWAY_JSON_CAMEL(Move, limits, from, tier, config, id)

Move plan(Transaction& tx, const WorkstationServices& services, const WorkstationRequest& request) {
  const auto from = services.workstation(tx, request.workstation_id);
  const auto& tier = services.tiers.get(request.tier.value_or(""));
  if (tier.disk_gb < from.boot_disk_size_gb)
    throw base::validation_error("tier", "has a smaller disk than the workstation's home needs");
  Move move{services.limits, from, tier, services.config_of(tx, from.organization_id, tier),
            make_workstation_id(from.user_id, services.random)};
  fleet::set_other_name(tx, from.id, move.name());
  return move;
}

CloudWork cloning(const WorkstationServices& services, const Move& move) {
  return {.step = "create-workstation",
          .wait = "wait-until-created",
          .resource = move.name(),
          .begin =
              [&services, move](Attempt& attempt) {
                auto spec = services.spec_of(services.workstation(move.from.id));
                spec.id = move.id;
                spec.config = move.config;
                spec.display_name = move.id;
                spec.labels["tier"] = move.tier.name;
                spec.environment["SLIPWAY_WORKSTATION_ID"] = move.id;
                spec.environment["SLIPWAY_TIER"] = move.tier.name;
                spec.source_workstation = move.from.resource_name();
                return services.cloud.create(spec, attempt.stop());
              },
          .look = [&services, name = move.name()](
                      const std::string& operation,
                      std::stop_token stop) { return services.cloud.look_created(name, operation, stop); },
          .undo = "delete-new-workstation"};
}

}  // namespace

std::vector<std::string> WorkstationChangeTier::outline() {
  return {"plan",
          "stop-workstation",
          "wait-until-stopped",
          "create-workstation",
          "wait-until-created",
          "start-workstation",
          "wait-until-running",
          "update-record",
          "delete-workstation",
          "wait-until-deleted"};
}

Run<> WorkstationChangeTier::operator()(Context& run, WorkstationRequest request) const {
  const WorkstationServices& services = services_;
  const RunId run_id = run.id();
  const auto move = co_await run.transaction("plan", [&](Transaction& tx) { return plan(tx, services, request); });
  const std::string old_id = move.from.id;
  co_await do_in_cloud(run, services, move.limits, old_id, stopping(services, move.from.resource_name()));
  co_await do_in_cloud(run, services, move.limits, old_id, cloning(services, move));
  const auto running = co_await do_in_cloud(run, services, move.limits, old_id, starting(services, move.name()));
  co_await run.transaction("update-record", [&](Transaction& tx) {
    const auto now = services.clock.now();
    if (!fleet::move_workstation(tx, old_id, run_id, {move.id, move.tier, move.config}, now))
      throw base::invalid_state("the workstation is in the hands of another run");
    // From here on it is the new one: a run that is cancelled now must not take it away again.
    fleet::mark_provisioned(tx, move.id, run_id, move.name(), services.launch_url_of(move.id, running.host), now);
    fleet::set_other_name(tx, move.id, move.from.resource_name());
    for (const auto& id : {old_id, move.id}) resolve_workstation_alerts(tx, id, kType, now);
    audit_workstation(tx, {.action = std::string(kType), .id = move.id}, run_id, request.source, now);
  });
  co_await do_in_cloud(run, services, move.limits, move.id, removing(services, move.from.resource_name()));
  co_await run.transaction("forget-old", [&](Transaction& tx) { fleet::set_other_name(tx, move.id, std::nullopt); });
}

// The home is whole in the old one, which was stopped.
void WorkstationChangeTier::on_failure(Transaction& tx, const WorkstationRequest& request,
                                       const durable::BadEnd& end) const {
  fail(tx, request, WorkstationStatus::stopped, end, kType);
}
void WorkstationChangeTier::on_retry(Transaction& tx, const WorkstationRequest& request,
                                     const durable::Again& again) const {
  const auto record = fleet::get_workstation(tx, Scope::everything("a retry"), request.workstation_id);
  retry(tx, request, again, record.status);
}

}  // namespace slipway::workflows
