// builds list, show, cancel: of workspaces that come from templates.

#include <CLI/CLI.hpp>
#include <ostream>

#include "app/cli/commands.h"
#include "app/cli/table.h"
#include "app/cli/views.h"
#include "net/http.h"

namespace slipway::app::cli {
namespace {

struct ResourceView {
  std::string address;
  std::string action;
  std::int64_t daily_cost = 0;
  std::map<std::string, std::string> details;
};
SLIPWAY_JSON_CAMEL(ResourceView, address, action, daily_cost, details)

struct ValueView {
  std::string name;
  std::string value;
};
SLIPWAY_JSON_CAMEL(ValueView, name, value)

struct BuildView {
  std::string id;
  std::string workspace_name;
  std::int64_t number = 0;
  std::string transition;
  std::string status;
  std::string template_name;
  std::string template_version;
  std::optional<std::string> run_id, job_id;
  std::vector<ValueView> parameters;
  std::int64_t daily_cost = 0;
  std::vector<ResourceView> resources;
  std::map<std::string, std::string> outputs;
  std::optional<ErrorView> error;
  std::optional<base::Instant> created_at, started_at, ended_at;
};
SLIPWAY_JSON_CAMEL(BuildView, id, workspace_name, number, transition, status, template_name, template_version, run_id,
                   job_id, parameters, daily_cost, resources, outputs, error, created_at, started_at, ended_at)

std::string coloured(const Style& style, const std::string& status) {
  if (status == "succeeded") return style.green(status);
  if (status == "failed") return style.red(status);
  return printable(status);
}

std::string took(const BuildView& build) {
  if (!build.started_at || !build.ended_at) return "";
  return base::format_duration(*build.ended_at - *build.started_at);
}

void print_builds(const Invocation& invocation, const json::Array& builds) {
  const Style style = invocation.out_style();
  const auto now = invocation.world.clock.now();
  if (builds.empty()) {
    invocation.world.out << "No builds.\n";
    return;
  }
  Table table({"BUILD", "NUMBER", "TRANSITION", "VERSION", "STATUS", "COST/DAY", "TOOK", "AGE"});
  for (const auto& item : builds) {
    const auto build = read_view<BuildView>(item);
    table.add({printable(build.id), std::to_string(build.number), printable(build.transition),
               printable(build.template_name + ":" + build.template_version), coloured(style, build.status),
               std::to_string(build.daily_cost), took(build), build.created_at ? age(*build.created_at, now) : ""});
  }
  table.print(invocation.world.out, style);
}

void print_build(const Invocation& invocation, const BuildView& build) {
  auto& out = invocation.world.out;
  const Style style = invocation.out_style();
  Facts facts;
  facts.add("Build", printable(build.id));
  facts.add("Workspace", printable(build.workspace_name) + ", build " + std::to_string(build.number));
  facts.add("Transition", printable(build.transition));
  facts.add("Status", coloured(style, build.status));
  facts.add("Template", printable(build.template_name + ":" + build.template_version));
  facts.add("Cost", std::to_string(build.daily_cost) + " a day");
  facts.add("Took", took(build));
  facts.add("Run", printable(build.run_id.value_or("")));
  facts.add("Job", build.job_id
                       ? printable(*build.job_id) + "  (its log: slipway jobs logs " + printable(*build.job_id) + ")"
                       : "");
  if (build.error) facts.add("Error", printable(build.error->code + ": " + build.error->message));
  for (const auto& value : build.parameters) facts.add("Parameter " + printable(value.name), printable(value.value));
  for (const auto& [name, value] : build.outputs) facts.add("Output " + printable(name), printable(value));
  facts.print(out, style);
  if (build.resources.empty()) return;
  out << '\n';
  Table table({"RESOURCE", "WAS", "COST/DAY"});
  for (const auto& resource : build.resources)
    table.add({printable(resource.address), printable(resource.action), std::to_string(resource.daily_cost)});
  table.print(out, style);
}

void add_list(CLI::App& group, Invocation& invocation) {
  struct Options {
    std::string workspace;
    std::size_t limit = 50;
  };
  auto options = std::make_shared<Options>();
  CLI::App& command = add_command(
      group, invocation, "list", "The builds of a workspace, newest first",
      "  slipway builds list dev\n  slipway builds list dev --limit 5 --output json", [&invocation, options] {
        HubClient& hub = invocation.hub();
        const auto id = hub.resolve_workspace(options->workspace);
        const auto builds = hub.list("/v1/workspaces/" + net::percent_encode(id) + "/builds", options->limit);
        if (invocation.wants_json())
          invocation.print_json(builds);
        else
          print_builds(invocation, builds);
        return kOk;
      });
  command.add_option("workspace", options->workspace, "name or id")->required()->type_name(kWorkspaceName);
  command.add_option("--limit", options->limit, "how many, at most")->capture_default_str();
}

void add_show(CLI::App& group, Invocation& invocation) {
  auto id = std::make_shared<std::string>();
  CLI::App& command =
      add_command(group, invocation, "show", "One build: what it was given, what it made, why it failed",
                  "  slipway builds show bld_01jh2k7v5m8q3w9x4y6z0abcde", [&invocation, id] {
                    const auto build = invocation.hub().get("/v1/builds/" + net::percent_encode(*id));
                    if (invocation.wants_json())
                      invocation.print_json(build);
                    else
                      print_build(invocation, read_view<BuildView>(build));
                    return kOk;
                  });
  command.add_option("build", *id, "id")->required();
}

void add_cancel(CLI::App& group, Invocation& invocation) {
  auto id = std::make_shared<std::string>();
  CLI::App& command = add_command(
      group, invocation, "cancel", "Cut a build short: gracefully, by force after some minutes",
      "  slipway builds cancel bld_01jh2k7v5m8q3w9x4y6z0abcde", [&invocation, id] {
        const auto build = invocation.hub().post("/v1/builds/" + net::percent_encode(*id) + "/cancel", nullptr);
        if (invocation.wants_json())
          invocation.print_json(build);
        else
          invocation.world.out << "It was asked to cancel; see what came of it with: slipway builds show "
                               << printable(*id) << '\n';
        return kOk;
      });
  command.add_option("build", *id, "id")->required();
}

}  // namespace

void add_build_commands(CLI::App& app, Invocation& invocation) {
  CLI::App& group = add_group(app, "builds", "See what templates have built, and cut it short");
  add_list(group, invocation);
  add_show(group, invocation);
  add_cancel(group, invocation);
}

}  // namespace slipway::app::cli
