#include "simulator/options.h"

#include <CLI/CLI.hpp>
#include <fstream>
#include <sstream>

namespace slipway::simulator {

namespace {

std::string read_file(const std::string& path) {
  std::ifstream file(path);
  if (!file) throw base::system_error("opening " + path, errno);
  std::stringstream text;
  text << file.rdbuf();
  return text.str();
}

Span& delay(Delays& delays, const std::string& name) {
  if (name == "create") return delays.create_workstation;
  if (name == "start") return delays.start;
  if (name == "stop") return delays.stop;
  if (name == "delete") return delays.del;
  throw base::validation_error("--delay", "expected create, start, stop or delete, got " + name);
}

Quotas read_quotas(const std::vector<std::string>& pairs) {
  json::Object object;
  for (const auto& pair : pairs) {
    const std::size_t equals = pair.find('=');
    if (equals == std::string::npos) throw base::validation_error("--quota", "expected NAME=NUMBER, got " + pair);
    object[pair.substr(0, equals)] = std::atoll(pair.c_str() + equals + 1);
  }
  return json::from_value<Quotas>(object);
}

void furnish_pubsub(World& world, const ProgramOptions& options) {
  const std::string project = "projects/" + options.world.project;
  for (const auto& id : options.topics) {
    const std::string name = project + "/topics/" + id;
    const auto known = world.pubsub.topics(project);
    if (std::ranges::find(known, name) == known.end()) world.pubsub.create_topic(name, json::Object{});
  }
  for (const auto& pair : options.subscriptions) {
    const std::size_t colon = pair.find(':');
    if (colon == std::string::npos) throw base::validation_error("--subscription", "expected ID:TOPIC, got " + pair);
    const std::string name = project + "/subscriptions/" + pair.substr(0, colon);
    const auto known = world.pubsub.subscriptions(project);
    if (std::ranges::find(known, name) != known.end()) continue;
    world.pubsub.create_subscription(name, json::Object{{"topic", project + "/topics/" + pair.substr(colon + 1)}});
  }
}

void furnish_clusters(World& world, const ProgramOptions& options) {
  const std::string parent = "projects/" + options.world.project + "/locations/" + options.world.region;
  for (const auto& id : options.clusters) {
    if (world.workstations.state().resources.contains(parent + "/workstationClusters/" + id)) continue;
    const json::Object body{{"network", "projects/" + options.world.project + "/global/networks/default"},
                            {"subnetwork", "projects/" + options.world.project + "/regions/" + options.world.region +
                                               "/subnetworks/default"}};
    const Operation operation =
        world.workstations.create(Kind::cluster, parent, id, body, {.now = world.now(), .user = "simulator"});
    world.workstations.hurry(operation.name, world.now());
  }
}

}  // namespace

void add_options(CLI::App& app, ProgramOptions& options) {
  WorldOptions& world = options.world;
  app.add_option("--address", options.address, "numeric address to listen on")->capture_default_str();
  app.add_option("--port", options.port, "port; 0 takes a free one, which is printed")->capture_default_str();
  app.add_option("--project", world.project, "the project that exists")->capture_default_str();
  app.add_option("--region", world.region, "the region that exists")->capture_default_str();
  app.add_option("--time-scale", world.delays.scale, "factor on all delays; 0: done at once")
      ->check(CLI::NonNegativeNumber)
      ->capture_default_str();
  app.add_option("--delay", options.delays,
                 "NAME=SECONDS: of a workstation's create, start, stop or delete always so long, before the scale");
  app.add_option("--seed", world.seed, "of delays, ids and dice")->capture_default_str();
  app.add_option("--quota", options.quotas,
                 "NAME=NUMBER: workstations_per_config, workstations_per_region, workstations_per_project, "
                 "running_per_config, running_per_region, running_per_project, requests_per_minute");
  app.add_option("--faults", options.faults, "rules: a file, or JSON");
  app.add_option("--deliveries", world.deliveries_max, "each message comes up to so often although acknowledged")
      ->check(CLI::Range(1, 100))
      ->capture_default_str();
  app.add_option("--token-seconds", world.token_lifetime, "life of an access token")->capture_default_str();
  app.add_flag("--open", world.open, "ask nobody for credentials");
  app.add_flag("--idle-timeouts", world.delays.idle_timeouts, "workstations stop after their idle time-out");
  app.add_option("--state", options.state_file, "keep what exists in this file, over restarts");
  app.add_option("--write-credentials", options.credentials,
                 "write service-account.json, external-account.json and external-account-file.json to this folder");
  app.add_option("--cluster", options.clusters, "ID of a workstation cluster that is there from the beginning");
  app.add_option("--topic", options.topics, "ID of a topic that is there from the beginning");
  app.add_option("--subscription", options.subscriptions, "ID:TOPIC of a subscription that is there");
  app.footer(
      "Prints one line of JSON with its url when it serves; ends at SIGTERM.\n\n"
      "Examples:\n  slipway-simulator --port 9100 --time-scale 0.02 --write-credentials credentials\n"
      "  slipway-simulator --quota running_per_region=10 --faults '{\"kind\":\"lost_answer\",\"probability\":0.1}'");
}

void set_delays(ProgramOptions& options) {
  for (const auto& pair : options.delays) {
    const std::size_t equals = std::min(pair.find('='), pair.size());
    Span& span = delay(options.world.delays, pair.substr(0, equals));
    const char* begin = pair.c_str() + std::min(equals + 1, pair.size());
    char* end = nullptr;
    const double seconds = std::strtod(begin, &end);
    if (end == begin || *end != '\0' || !(seconds >= 0))
      throw base::validation_error("--delay", "expected NAME=SECONDS, got " + pair);
    span.least = span.most = base::Duration(std::int64_t(seconds * 1000));
  }
}

void furnish(World& world, const ProgramOptions& options) {
  if (!options.quotas.empty()) world.workstations.set_quotas(read_quotas(options.quotas));
  if (!options.faults.empty()) {
    const bool is_json = options.faults.find_first_of("{[") == options.faults.find_first_not_of(" \n\t");
    world.faults.add(json::parse_value(is_json ? options.faults : read_file(options.faults), "--faults"));
  }
  furnish_pubsub(world, options);
  furnish_clusters(world, options);
  world.record_effects(0, false);
  world.changed();
}

}  // namespace slipway::simulator
