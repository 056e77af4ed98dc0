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

// A home is given to a workstation when it is made, and is never another one.
std::string home_of(const google::WorkstationConfig& config) {
  return std::to_string(config.home_size_gb) + " GB of " +
         (config.home_disk_type.empty() ? "pd-standard" : config.home_disk_type);
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
  if (home_of(is) != home_of(wanted))
    found.push_back({"persistentDirectories", "persistentDirectories is " + home_of(is) + ", not " + home_of(wanted) +
                                                  ": workstations that are there keep theirs"});
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

std::optional<std::string> unless_empty(const std::string& text) {
  return text.empty() ? std::nullopt : std::optional(text);
}

std::vector<Difference> differences_of(const google::WorkstationCluster& is, const SetupRequest& wanted) {
  std::vector<Difference> found;
  if (!wanted.network.empty()) compare(found, "network", is.network, wanted.network);
  if (!wanted.subnetwork.empty()) compare(found, "subnetwork", is.subnetwork, wanted.subnetwork);
  return found;
}

// A cluster's network is for good: an organization that asked for another one must not get into this (WP-22).
void check_network(const google::WorkstationCluster& cluster, const SetupRequest& request) {
  const auto differences = differences_of(cluster, request);
  if (differences.empty()) return;
  std::string text = "cluster '" + request.cluster + "' is in another network, which cannot be changed: its ";
  for (const auto& difference : differences)
    text += (&difference == &differences.front() ? "" : "; its ") + difference.text;
  throw base::Error(base::ErrorClass::user, "NETWORK_DIFFERS", text + ". Name another cluster");
}

std::string id_of(const google::WorkstationConfig& config) { return config.name.substr(config.name.rfind('/') + 1); }

durable::Retry setup_retry() { return durable::retry::cloud(std::string(kWorkstationsEndpoint)); }

}  // namespace

std::vector<std::string> WorkstationSetup::outline() {
  return {"plan", "look-at-cluster", "create-cluster", "wait-for-cluster"};
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

SetupPlan WorkstationSetup::plan_for(const SetupRequest& request) const {
  SetupPlan plan{.location = services_.location.str(), .cluster = {}, .configs = {}};
  plan.cluster.name =
      google::ClusterName{services_.location.project, services_.location.location, request.cluster}.str();
  plan.cluster.display_name = request.cluster;
  plan.cluster.labels[std::string(providers::workstations::kHubLabel)] = services_.cloud.hub_id();
  plan.cluster.network = request.network;
  plan.cluster.subnetwork = request.subnetwork;
  for (const auto& tier : services_.tiers.all()) plan.configs.push_back(wanted_config(plan.cluster.name, tier));
  return plan;
}

std::optional<durable::Failure> WorkstationSetup::failure_of(const std::string& operation, bool& done,
                                                             std::stop_token stop) const {
  done = true;
  if (operation.empty()) return std::nullopt;  // its name was lost with an answer
  try {
    const auto found = services_.cloud.client().operations().get(operation, stop);
    done = found.done;
    if (!found.error) return std::nullopt;
    const google::Call call{"workstations", "operations.get", "/v1/" + operation};
    return durable::to_failure(google::to_error(call, *found.error));
  } catch (const base::Error& error) {
    if (error.code() != "NOT_FOUND") throw;  // the cloud forgets operations
    return std::nullopt;
  }
}

Run<> WorkstationSetup::settle(Context& run, std::string step, std::string operation, IsSettled is_settled) const {
  const auto failure = co_await run.poll(std::move(step), every(5s).after(1s).at_most(kClusterTime),
                                         [&](Attempt& attempt) -> std::optional<std::vector<durable::Failure>> {
                                           bool done = false;
                                           if (const auto failed = failure_of(operation, done, attempt.stop()))
                                             return std::vector{*failed};
                                           if (!done || !is_settled(attempt.stop())) return std::nullopt;
                                           return std::vector<durable::Failure>{};
                                         });
  if (!failure.empty()) throw durable::to_error(failure.front());
}

Run<SetupFinding> WorkstationSetup::ready_cluster(Context& run, SetupRequest request, SetupPlan plan) const {
  auto& client = services_.cloud.client();
  const auto& name = plan.cluster.name;
  auto finding = co_await run.step("look-at-cluster", setup_retry(), [&](Attempt& attempt) {
    const auto cluster = client.find_cluster(name, attempt.stop());
    SetupFinding found{.resource = request.cluster, .what = cluster ? "ready" : "missing", .differences = {}};
    if (!cluster) return found;
    if (!request.only_check) check_network(*cluster, request);
    for (const auto& difference : differences_of(*cluster, request)) found.differences.push_back(difference.text);
    for (const auto& condition : cluster->conditions) found.differences.push_back("degraded: " + condition);
    if (!found.differences.empty()) found.what = "differs";
    if (cluster->reconciling) found.what = "unfinished";
    return found;
  });
  const bool is_new = finding.what == "missing";
  if (request.only_check || (!is_new && finding.what != "unfinished")) co_return finding;
  std::string operation;
  if (is_new)
    operation = co_await run.step("create-cluster", setup_retry(), [&](Attempt& attempt) {
      return unless_there(
          [&] { return client.create_cluster(plan.location, request.cluster, plan.cluster, attempt.stop()); });
    });
  co_await settle(run, "wait-for-cluster", operation, [&](std::stop_token stop) {
    const auto cluster = client.find_cluster(name, stop);
    if (cluster) check_network(*cluster, request);  // who else was making it may have meant another one
    return cluster && !cluster->reconciling;
  });
  finding.what = is_new ? "made" : finding.differences.empty() ? "ready" : "differs";
  co_return finding;
}

Run<SetupFinding> WorkstationSetup::ready_config(Context& run, std::string cluster, google::WorkstationConfig wanted,
                                                 bool only_check) const {
  auto& client = services_.cloud.client();
  const auto id = id_of(wanted);
  auto finding = co_await run.step("look-at-" + id, setup_retry(), [&](Attempt& attempt) {
    const auto config = client.find_config(wanted.name, attempt.stop());
    SetupFinding found{.resource = id, .what = config ? "ready" : "missing", .differences = {}};
    if (!config) return found;
    for (const auto& difference : differences_of(*config, wanted)) found.differences.push_back(difference.text);
    for (const auto& condition : config->conditions) found.differences.push_back("degraded: " + condition);
    if (!found.differences.empty()) found.what = "differs";
    if (config->reconciling) found.what = "unfinished";
    return found;
  });
  if (finding.what == "ready" || only_check) co_return finding;
  const IsSettled is_settled = [&](std::stop_token stop) {
    const auto config = client.find_config(wanted.name, stop);
    return config && !config->reconciling;
  };
  if (finding.what == "unfinished") {
    co_await settle(run, "wait-for-" + id, "", is_settled);
    finding.what = finding.differences.empty() ? "ready" : "differs";
    if (finding.what == "ready") co_return finding;
  }
  const bool is_new = finding.what == "missing";
  const auto operation =
      co_await run.step((is_new ? "create-" : "change-") + id, setup_retry(), [&](Attempt& attempt) -> std::string {
        if (is_new) return unless_there([&] { return client.create_config(cluster, id, wanted, attempt.stop()); });
        const auto config = client.get_config(wanted.name, attempt.stop());
        const auto fields = joined(differences_of(config, wanted));
        if (fields.empty()) return {};
        auto changed = wanted;
        changed.keep_home = config.keep_home;
        changed.etag = config.etag;
        return client.update_config(changed, fields, attempt.stop()).name;
      });
  co_await settle(run, "wait-for-" + id, operation, is_settled);
  finding.what = is_new ? "made" : "changed";
  co_return finding;
}

Run<SetupReport> WorkstationSetup::operator()(Context& run, SetupRequest request) const {
  const auto plan = co_await run.compute("plan", [&] { return plan_for(request); });
  SetupReport report{.cluster = plan.cluster.name};
  report.findings.push_back(co_await ready_cluster(run, request, plan));
  if (report.findings.front().what != "missing")
    for (const auto& config : plan.configs)
      report.findings.push_back(co_await ready_config(run, report.cluster, config, request.only_check));
  report.is_ready = std::ranges::all_of(report.findings, [](const auto& found) {
    return found.what != "missing" && found.what != "differs" && found.what != "unfinished";
  });
  if (request.only_check) co_return report;
  co_await run.transaction("update-record", [&](store::Transaction& tx) {
    const auto now = services_.clock.now();
    if (!request.organization_id.empty())
      fleet::put_organization(tx,
                              {.id = request.organization_id,
                               .cluster = request.cluster,
                               .network = unless_empty(request.network),
                               .subnetwork = unless_empty(request.subnetwork)},
                              now);
    audit_workstation(tx, {.action = std::string(kType), .id = request.cluster}, run.id(), request.source, now);
  });
  co_return report;
}

}  // namespace slipway::workflows
