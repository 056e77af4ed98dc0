#include "workflows/workstation_setup.h"

#include "workflows/workstation_announce.h"

namespace slipway::workflows {

using namespace std::chrono_literals;
using durable::Attempt;
using durable::Context;
using durable::every;
using durable::Run;

namespace {

constexpr auto kClusterTime = 60min;        // the cloud takes 20 to 30
constexpr std::int64_t kSmallDiskGb = 200;  // below it the API has no pd-standard

// A field that differs: its name in the API, and how it is called to people.
struct Difference {
  std::string field;
  std::string text;
};

template <class T>
void compare(std::vector<Difference>& differences, std::string_view field, const T& is, const T& wanted) {
  if (is == wanted) return;
  const auto text = [](const T& value) { return json::print_value(json::to_value(value)); };
  differences.push_back({std::string(field), std::string(field) + " is " + text(is) + ", not " + text(wanted)});
}

std::vector<Difference> differences_of(const google::WorkstationConfig& is, const google::WorkstationConfig& wanted) {
  std::vector<Difference> found;
  compare(found, "host.gceInstance.machineType", is.machine_type, wanted.machine_type);
  compare(found, "host.gceInstance.disablePublicIpAddresses", is.disable_public_ip_addresses,
          wanted.disable_public_ip_addresses);
  if (!wanted.service_account.empty())
    compare(found, "host.gceInstance.serviceAccount", is.service_account, wanted.service_account);
  if (!wanted.container_image.empty()) compare(found, "container.image", is.container_image, wanted.container_image);
  compare(found, "idleTimeout", is.idle_timeout, wanted.idle_timeout);
  compare(found, "runningTimeout", is.running_timeout, wanted.running_timeout);
  return found;
}

std::string joined(const std::vector<Difference>& differences) {
  std::string mask;
  for (const auto& difference : differences) mask += (mask.empty() ? "" : ",") + difference.field;
  return mask;
}

// What was there before our answer was lost is what we wanted to make.
template <class Make>
std::string unless_there(const Make& make) {
  try {
    return make().name;
  } catch (const base::Error& error) {
    if (error.code() != "ALREADY_EXISTS") throw;
    return {};
  }
}

durable::Retry setup_retry() { return durable::retry::cloud(std::string(kWorkstationsEndpoint)); }

}  // namespace

std::vector<std::string> WorkstationSetup::outline() {
  return {"look-at-cluster", "create-cluster", "wait-for-cluster"};
}

google::WorkstationConfig WorkstationSetup::wanted_config(const std::string& cluster, const fleet::Tier& tier) const {
  google::WorkstationConfig config{
      .name = cluster + "/workstationConfigs/" + tier.config_id(),
      .display_name = tier.name,
      .labels = {{std::string(providers::workstations::kHubLabel), services_.cloud.hub_id()}, {"tier", tier.name}},
      .machine_type = tier.machine_type,
      .service_account = machines_.service_account,
      .disable_public_ip_addresses = !machines_.public_ip,
      .home_size_gb = tier.disk_gb,
      .container_image = machines_.container_image,
      .idle_timeout = machines_.idle_timeout,
      .running_timeout = machines_.running_timeout};
  config.home_disk_type = tier.disk_gb < kSmallDiskGb ? "pd-balanced" : "pd-standard";
  return config;
}

Run<> WorkstationSetup::follow(Context& run, std::string step, std::string operation) const {
  if (operation.empty()) co_return;
  auto& operations = services_.cloud.client().operations();
  const auto failure =
      co_await run.poll(std::move(step), every(5s).after(1s).at_most(kClusterTime),
                        [&](Attempt& attempt) -> std::optional<std::vector<durable::Failure>> {
                          const auto found = operations.get(operation, attempt.stop());
                          if (!found.done) return std::nullopt;
                          if (!found.error) return std::vector<durable::Failure>{};
                          const google::Call call{"workstations", "operations.get", "/v1/" + operation};
                          return std::vector{durable::to_failure(google::to_error(call, *found.error))};
                        });
  if (!failure.empty()) throw durable::to_error(failure.front());
}

Run<SetupFinding> WorkstationSetup::ready_cluster(Context& run, SetupRequest request, std::string name) const {
  auto& client = services_.cloud.client();
  auto finding = co_await run.step("look-at-cluster", setup_retry(), [&](Attempt& attempt) {
    const auto cluster = client.find_cluster(name, attempt.stop());
    SetupFinding found{.resource = request.cluster, .what = cluster ? "ready" : "missing"};
    if (!cluster) return found;
    std::vector<Difference> differences;
    if (!request.network.empty()) compare(differences, "network", cluster->network, request.network);
    if (!request.subnetwork.empty()) compare(differences, "subnetwork", cluster->subnetwork, request.subnetwork);
    for (const auto& difference : differences) found.differences.push_back(difference.text);
    for (const auto& condition : cluster->conditions) found.differences.push_back("degraded: " + condition);
    if (!found.differences.empty()) found.what = "differs";
    return found;
  });
  if (finding.what != "missing" || request.only_check) co_return finding;
  const auto operation = co_await run.step("create-cluster", setup_retry(), [&](Attempt& attempt) {
    google::WorkstationCluster cluster{.name = name, .display_name = request.cluster};
    cluster.labels[std::string(providers::workstations::kHubLabel)] = services_.cloud.hub_id();
    cluster.network = request.network;
    cluster.subnetwork = request.subnetwork;
    return unless_there(
        [&] { return client.create_cluster(services_.location.str(), request.cluster, cluster, attempt.stop()); });
  });
  co_await follow(run, "wait-for-cluster", operation);
  finding.what = "made";
  co_return finding;
}

Run<SetupFinding> WorkstationSetup::ready_config(Context& run, std::string cluster, fleet::Tier tier,
                                                 bool only_check) const {
  auto& client = services_.cloud.client();
  const auto wanted = wanted_config(cluster, tier);
  auto finding = co_await run.step("look-at-" + tier.config_id(), setup_retry(), [&](Attempt& attempt) {
    const auto config = client.find_config(wanted.name, attempt.stop());
    SetupFinding found{.resource = tier.config_id(), .what = config ? "ready" : "missing"};
    if (!config) return found;
    for (const auto& difference : differences_of(*config, wanted)) found.differences.push_back(difference.text);
    for (const auto& condition : config->conditions) found.differences.push_back("degraded: " + condition);
    if (!found.differences.empty()) found.what = "differs";
    return found;
  });
  if (finding.what == "ready" || only_check) co_return finding;
  const bool is_new = finding.what == "missing";
  const auto operation = co_await run.step(
      (is_new ? "create-" : "change-") + tier.config_id(), setup_retry(), [&](Attempt& attempt) -> std::string {
        if (is_new)
          return unless_there([&] { return client.create_config(cluster, tier.config_id(), wanted, attempt.stop()); });
        auto config = client.get_config(wanted.name, attempt.stop());
        const auto fields = joined(differences_of(config, wanted));
        if (fields.empty()) return {};
        auto changed = wanted;
        changed.etag = config.etag;
        return client.update_config(changed, fields, attempt.stop()).name;
      });
  co_await follow(run, "wait-for-" + tier.config_id(), operation);
  finding.what = is_new ? "made" : "changed";
  co_return finding;
}

Run<SetupReport> WorkstationSetup::operator()(Context& run, SetupRequest request) const {
  const google::ClusterName name{services_.location.project, services_.location.location, request.cluster};
  SetupReport report{.cluster = name.str()};
  report.findings.push_back(co_await ready_cluster(run, request, report.cluster));
  if (report.findings.front().what != "missing")
    for (const auto& tier : services_.tiers.all())
      report.findings.push_back(co_await ready_config(run, report.cluster, tier, request.only_check));
  report.is_ready = std::ranges::all_of(
      report.findings, [](const auto& found) { return found.what != "missing" && found.what != "differs"; });
  if (request.only_check) co_return report;
  co_await run.transaction("update-record", [&](store::Transaction& tx) {
    const auto now = services_.clock.now();
    if (!request.organization_id.empty())
      fleet::put_organization(tx,
                              {.id = request.organization_id,
                               .cluster = request.cluster,
                               .network = request.network,
                               .subnetwork = request.subnetwork},
                              now);
    audit_workstation(tx, {.action = std::string(kType), .id = request.cluster}, run.id(), request.source, now);
  });
  co_return report;
}

}  // namespace slipway::workflows
