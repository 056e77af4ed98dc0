#include "workflows/workstation_provision.h"

#include "fleet/alert.h"
#include "fleet/audit.h"
#include "workflows/workstation_announce.h"

namespace slipway::workflows {

using durable::Attempt;
using durable::Context;
using durable::Run;
using fleet::Scope;
using fleet::WorkstationStatus;
using store::Transaction;

namespace {

constexpr int kIdsMax = 5;  // a random id is taken once in 2^50: more often something is wrong

struct Placement {
  fleet::Tier tier;
  std::string config;
  WorkstationLimits limits;
};
SLIPWAY_JSON_CAMEL(Placement, tier, config, limits)

// Its id is another one than that of the order when that was taken in the cloud, in a run that this one does again.
fleet::Workstation create_record(Transaction& tx, const WorkstationServices& services, const ProvisionRequest& request,
                                 const Placement& placement, const RunId& run) {
  const auto& tier = placement.tier;
  const auto now = services.clock.now();
  auto record = fleet::put_workstation(tx,
                                       {.id = request.workstation_id,
                                        .organization_id = request.organization_id,
                                        .user_id = request.user_id,
                                        .user_email = request.user_email,
                                        .tier = tier.name,
                                        .machine_type = tier.machine_type,
                                        .vcpus = tier.vcpus,
                                        .memory_gb = tier.memory_gb,
                                        .boot_disk_size_gb = tier.disk_gb,
                                        .config = placement.config,
                                        .run_id = run,
                                        .created_at = now},
                                       request.sealed_environment);
  audit_workstation(tx, {.action = "workstation.provision.begin", .id = record.id}, run, request.source, now);
  return record;
}

CloudWork creation(const WorkstationServices& services, const std::string& name, const std::string& id) {
  return {
      .step = "create-workstation",
      .wait = "wait-until-created",
      .resource = name,
      .begin =
          [&services, id](Attempt& attempt) {
            return services.cloud.create(services.spec_of(services.workstation(id)), attempt.stop());
          },
      .look = [&services, name](const std::string& operation,
                                std::stop_token stop) { return services.cloud.look_created(name, operation, stop); },
      .undo = "delete-workstation"};
}

std::string name_of(const Placement& placement, const std::string& id) {
  return placement.config + "/workstations/" + id;
}

// That a change was not ignored because the workstation is another run's.
void require(bool was_ours) {
  if (!was_ours) throw base::invalid_state("the workstation is in the hands of another run");
}

bool is_id_taken(const base::Error& error) { return error.code() == "NAME_TAKEN" || error.code() == "ALREADY_EXISTS"; }

// Makes it, under another id if the first is taken in the cloud (WP-12). Gives the id that it has.
Run<std::string> create(Context& run, const WorkstationServices& services, Placement placement, std::string id,
                        std::string user_id) {
  for (int tries = 1;; ++tries) {
    try {
      co_await do_in_cloud(run, services, placement.limits, id, creation(services, name_of(placement, id), id));
      co_return id;
    } catch (const base::Error& error) {
      if (!is_id_taken(error) || tries == kIdsMax) throw;
    }
    id = co_await run.transaction("renew-id", [&](Transaction& tx) {
      auto renewed = make_workstation_id(user_id, services.random);
      require(fleet::rename_workstation(tx, id, renewed, run.id(), services.clock.now()));
      return renewed;
    });
  }
}

Provisioned update_record(Transaction& tx, const WorkstationServices& services, const ProvisionRequest& request,
                          const std::string& id, const std::string& host, const RunId& run) {
  const auto now = services.clock.now();
  const auto record = services.workstation(tx, id);
  const Provisioned done{id, record.resource_name(), services.launch_url_of(id, host)};
  require(fleet::mark_provisioned(tx, id, run, done.gcp_workstation_id, done.launch_url, now));
  for (const auto& name : {id, request.workstation_id}) resolve_workstation_alerts(tx, name, kProvisionType, now);
  audit_workstation(tx, {.action = "workstation.provision", .id = id}, run, request.source, now);
  return done;
}

}  // namespace

std::vector<std::string> WorkstationProvision::outline() {
  return {"receive",           "determine-config",   "create-record", "create-workstation", "wait-until-created",
          "start-workstation", "wait-until-running", "update-record", "send-email",         "publish-event"};
}

Run<Provisioned> WorkstationProvision::operator()(Context& run, ProvisionRequest request) const {
  const WorkstationServices& services = services_;
  const RunId run_id = run.id();

  co_await run.compute("receive", [&] {
    const Order order{request.user_id, request.organization_id, request.tier, request.user_email};
    check_order(order, services.tiers);
    return order;
  });
  const auto placement = co_await run.transaction("determine-config", [&](Transaction& tx) {
    const auto& tier = services.tiers.get(request.tier);
    return Placement{tier, services.config_of(tx, request.organization_id, tier), services.limits};
  });
  const auto record = co_await run.transaction(
      "create-record", [&](Transaction& tx) { return create_record(tx, services, request, placement, run_id); });
  const auto id = co_await create(run, services, placement, record.id, request.user_id);
  const auto running =
      co_await do_in_cloud(run, services, placement.limits, id, starting(services, name_of(placement, id)));
  const auto done = co_await run.transaction(
      "update-record", [&](Transaction& tx) { return update_record(tx, services, request, id, running.host, run_id); });
  co_await send_ready_mail(run, services, id);
  co_await publish_ready(run, services, request.user_id, done.gcp_workstation_id);
  co_return done;
}

void WorkstationProvision::on_failure(Transaction& tx, const ProvisionRequest& request,
                                      const durable::BadEnd& end) const {
  const bool is_cancelled = end.status == durable::RunStatus::cancelled;
  fail_workstation(tx, request.workstation_id, is_cancelled ? WorkstationStatus::deleted : WorkstationStatus::failed,
                   end, "provisioning");
  audit_workstation(tx,
                    {.action = "workstation.provision",
                     .id = request.workstation_id,
                     .outcome = fleet::AuditOutcome::failure,
                     .error_code = end.failure.code},
                    end.run, request.source, end.at);
}

void WorkstationProvision::on_retry(Transaction& tx, const ProvisionRequest& request,
                                    const durable::Again& again) const {
  auto record = fleet::find_workstation(tx, Scope::everything("a retry of its provisioning"), request.workstation_id);
  if (!record) return;  // it failed before there was one
  if (record->status != WorkstationStatus::failed && record->status != WorkstationStatus::deleted)
    throw base::invalid_state("the workstation is " + std::string(boost::describe::enum_to_string(record->status, "")) +
                              " by now: there is nothing to do again");
  fleet::take_workstation(tx, *record, again.run, WorkstationStatus::creating, again.at);
}

}  // namespace slipway::workflows
