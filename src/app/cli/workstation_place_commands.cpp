// workstations setup and sweep; organizations list, show, set: the places in the cloud where workstations go.

#include <CLI/CLI.hpp>
#include <ostream>

#include "app/cli/commands.h"
#include "app/cli/run_progress.h"
#include "app/cli/run_timeline.h"
#include "app/cli/table.h"
#include "app/cli/workstation_views.h"
#include "net/http.h"

namespace slipway::app::cli {

namespace {

// Follows the run to its end; what it gave, or nothing when it did not complete (which is said).
std::optional<json::Value> await_output(Invocation& invocation, const json::Value& accepted) {
  const auto id = read_view<AcceptedView>(accepted).run.id;
  const auto run =
      read_view<RunView>(watch_run(invocation, id, invocation.world.err, invocation.world.err_is_terminal));
  if (run.status != "completed") {
    invocation.say(outcome_line(run));
    return std::nullopt;
  }
  for (const auto& event : invocation.hub().list("/v1/workflows/runs/" + net::percent_encode(id) + "/events"))
    if (event.at("type") == "run_completed") return event.at("data").at("output");
  return json::Value(nullptr);
}

// ---- setup

struct SetupOptions {
  std::string organization, cluster, network, subnetwork;
  bool only_check = false;
};

json::Value to_body(const SetupOptions& options) {
  json::Object body;
  const auto add = [&](const char* name, const std::string& value) {
    if (!value.empty()) body[name] = value;
  };
  add("organizationId", options.organization);
  add("cluster", options.cluster);
  add("network", options.network);
  add("subnetwork", options.subnetwork);
  if (options.only_check) body["onlyCheck"] = true;
  return body;
}

int print_setup(const Invocation& invocation, const json::Value& output) {
  const auto report = read_view<SetupReportView>(output);
  if (invocation.wants_json()) {
    invocation.print_json(output);
  } else {
    const Style style = invocation.out_style();
    Table table({"RESOURCE", "STATE"});
    for (const auto& finding : report.findings) table.add({printable(finding.resource), printable(finding.what)});
    table.print(invocation.world.out, style);
    for (const auto& finding : report.findings)
      for (const auto& difference : finding.differences)
        invocation.world.out << "  " << printable(finding.resource) << ": " << printable(difference) << '\n';
    invocation.world.out << printable(report.cluster)
                         << (report.is_ready ? " is " + style.green("ready") : " is not ready") << ".\n";
  }
  return report.is_ready ? kOk : kFailed;
}

void add_setup(CLI::App& group, Invocation& invocation) {
  auto options = std::make_shared<SetupOptions>();
  CLI::App& command =
      add_command(group, invocation, "setup",
                  "Make a place ready for workstations: a cluster in a network, with a config for each tier (admin)",
                  "  slipway workstations setup --organization acme --network projects/p/global/networks/acme \\\n"
                  "      --subnetwork projects/p/regions/europe-west1/subnetworks/acme\n"
                  "  slipway workstations setup --organization acme --check",
                  [&invocation, options] {
                    const auto accepted = invocation.hub().post("/v1/workstations/setup", to_body(*options));
                    const auto output = await_output(invocation, accepted);
                    return output ? print_setup(invocation, *output) : int(kFailed);
                  });
  command.add_option("--organization", options->organization, "whose place; without it, that of all who have none")
      ->type_name(kOrganizationId);
  command.add_option("--cluster", options->cluster, "the cluster's id; made of the organization's, if not given");
  command.add_option("--network", options->network,
                     "projects/P/global/networks/N; the project's default, if not given");
  command.add_option("--subnetwork", options->subnetwork, "projects/P/regions/R/subnetworks/S");
  command.add_flag("--check", options->only_check, "look, and change nothing; exit code 1 if it is not ready");
}

// ---- sweep

void print_names(std::ostream& out, std::string_view what, const std::vector<std::string>& names) {
  for (const auto& name : names) out << what << "  " << printable(name) << '\n';
}

void add_sweep(CLI::App& group, Invocation& invocation) {
  auto delete_orphans = std::make_shared<bool>(false);
  CLI::App& command = add_command(
      group, invocation, "sweep", "Compare what the cloud has with what is recorded (admin)",
      "  slipway workstations sweep\n  slipway workstations sweep --delete-orphans", [&invocation, delete_orphans] {
        json::Object body;
        if (*delete_orphans) body["deleteOrphans"] = true;
        const auto output = await_output(invocation, invocation.hub().post("/v1/workstations/sweep", body));
        if (!output) return kFailed;
        if (invocation.wants_json()) {
          invocation.print_json(*output);
          return kOk;
        }
        const auto report = read_view<SweepReportView>(*output);
        auto& out = invocation.world.out;
        out << report.machines << " machines are ours; " << report.orphans.size() << " orphans, " << report.lost.size()
            << " lost, " << report.observed.size() << " in another state than recorded.\n";
        print_names(out, *delete_orphans ? "deleted" : "orphan ", report.orphans);
        print_names(out, "lost   ", report.lost);
        print_names(out, "updated", report.observed);
        print_names(out, "could not be listed", report.unreachable);
        return kOk;
      });
  command.add_flag("--delete-orphans", *delete_orphans, "take away machines of this hub that no record speaks of");
}

// ---- organizations

void add_organization_list(CLI::App& group, Invocation& invocation) {
  CLI::App& command =
      add_command(group, invocation, "list", "List organizations by id", "  slipway organizations list", [&invocation] {
        const json::Array organizations = invocation.hub().list("/v1/organizations");
        if (invocation.wants_json()) {
          invocation.print_json(organizations);
          return kOk;
        }
        Table table({"ORGANIZATION", "WORKSTATIONS", "CLUSTER", "NETWORK"});
        for (const json::Value& value : organizations) {
          const auto organization = read_view<OrganizationView>(value);
          table.add({printable(organization.id), std::to_string(organization.workstation_count),
                     printable(organization.cluster.value_or("")), printable(organization.network.value_or(""))});
        }
        if (organizations.empty())
          invocation.world.err << "No organizations.\n";
        else
          table.print(invocation.world.out, invocation.out_style());
        return kOk;
      });
  command.alias("ls");
}

void print_organization(const Invocation& invocation, const json::Value& value) {
  if (invocation.wants_json()) return invocation.print_json(value);
  const auto organization = read_view<OrganizationView>(value);
  Facts facts;
  facts.add("Organization", printable(organization.id));
  facts.add("Workstations", std::to_string(organization.workstation_count));
  facts.add("Cluster", printable(organization.cluster.value_or("")));
  facts.add("Network", printable(organization.network.value_or("")));
  facts.add("Subnetwork", printable(organization.subnetwork.value_or("")));
  facts.print(invocation.world.out, invocation.out_style());
}

void add_organization_show(CLI::App& group, Invocation& invocation) {
  auto id = std::make_shared<std::string>();
  CLI::App& command = add_command(
      group, invocation, "show", "Show one organization", "  slipway organizations show acme", [&invocation, id] {
        print_organization(invocation, invocation.hub().get("/v1/organizations/" + net::percent_encode(*id)));
        return kOk;
      });
  command.add_option("organization", *id, "its id")->required()->type_name(kOrganizationId);
}

void add_organization_set(CLI::App& group, Invocation& invocation) {
  auto options = std::make_shared<SetupOptions>();
  CLI::App& command = add_command(
      group, invocation, "set", "Say where an organization's workstations go from now on",
      "  slipway organizations set acme --cluster acme --network projects/p/global/networks/acme",
      [&invocation, options] {
        json::Object body{{"cluster", options->cluster}};
        if (!options->network.empty()) body["network"] = options->network;
        if (!options->subnetwork.empty()) body["subnetwork"] = options->subnetwork;
        print_organization(
            invocation, invocation.hub().put("/v1/organizations/" + net::percent_encode(options->organization), body));
        return kOk;
      });
  command.add_option("organization", options->organization, "its id")->required()->type_name(kOrganizationId);
  command.add_option("--cluster", options->cluster, "the workstation cluster that is in its network")->required();
  command.add_option("--network", options->network, "projects/P/global/networks/N");
  command.add_option("--subnetwork", options->subnetwork, "projects/P/regions/R/subnetworks/S");
}

}  // namespace

void add_workstation_place_commands(CLI::App& app, CLI::App& workstations, Invocation& invocation) {
  add_setup(workstations, invocation);
  add_sweep(workstations, invocation);
  CLI::App& group = add_group(app, "organizations", "See organizations, and where their workstations go (admin)");
  group.alias("orgs");
  add_organization_list(group, invocation);
  add_organization_show(group, invocation);
  add_organization_set(group, invocation);
}

}  // namespace slipway::app::cli
