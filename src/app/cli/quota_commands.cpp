// quota show, check; groups list, set, delete (admin only).

#include <CLI/CLI.hpp>
#include <ostream>

#include "app/cli/commands.h"
#include "app/cli/table.h"
#include "app/cli/views.h"
#include "net/http.h"

namespace slipway::app::cli {
namespace {

struct QuotaShareView {
  std::string name;
  std::string template_name;
  std::int64_t daily_cost = 0;
};
SLIPWAY_JSON_CAMEL(QuotaShareView, name, template_name, daily_cost)

struct QuotaView {
  std::string owner_id;
  std::int64_t consumed = 0;
  std::optional<std::int64_t> budget;
  std::int64_t workspaces = 0;
  std::vector<std::string> groups;
  std::vector<QuotaShareView> shares;
};
SLIPWAY_JSON_CAMEL(QuotaView, owner_id, consumed, budget, workspaces, groups, shares)

struct QuotaCheckView {
  bool ok = true;
  std::int64_t daily_cost = 0, previous_daily_cost = 0, consumed = 0;
  std::optional<std::int64_t> budget;
};
SLIPWAY_JSON_CAMEL(QuotaCheckView, ok, daily_cost, previous_daily_cost, consumed, budget)

struct GroupView {
  std::string name;
  std::int64_t daily_budget = 0;
  std::vector<std::string> members;
};
SLIPWAY_JSON_CAMEL(GroupView, name, daily_budget, members)

std::string group_target(const std::string& name) { return "/v1/groups/" + net::percent_encode(name); }

std::string in_words(const std::optional<std::int64_t>& budget) {
  return budget ? std::to_string(*budget) + " credits a day" : "no limit";
}

void print_shares(const Invocation& invocation, const QuotaView& quota) {
  if (quota.shares.empty()) return;
  Table table({"WORKSPACE", "TEMPLATE", "COST/DAY"});
  for (const auto& share : quota.shares)
    table.add({printable(share.name), printable(share.template_name), std::to_string(share.daily_cost)});
  invocation.world.out << '\n';
  table.print(invocation.world.out, invocation.out_style());
}

int show(Invocation& invocation, const std::string& owner) {
  const auto shown = invocation.hub().get("/v1/quota" + (owner.empty() ? "" : "?owner=" + net::percent_encode(owner)));
  if (invocation.wants_json()) {
    invocation.print_json(shown);
    return kOk;
  }
  const auto quota = read_view<QuotaView>(shown);
  std::string groups;
  for (const auto& name : quota.groups) groups += (groups.empty() ? "" : ", ") + printable(name);
  Facts facts;
  facts.add("Owner", printable(quota.owner_id));
  facts.add("Consumed", std::to_string(quota.consumed) + " credits a day");
  facts.add("Budget", in_words(quota.budget));
  facts.add("Groups", groups);
  facts.add("Workspaces", std::to_string(quota.workspaces));
  facts.print(invocation.world.out, invocation.out_style());
  print_shares(invocation, quota);
  return kOk;
}

CLI::App& add_show(CLI::App& parent, Invocation& invocation, const std::string& name, const std::string& description) {
  auto owner = std::make_shared<std::string>();
  CLI::App& command =
      add_command(parent, invocation, name, description, "  slipway quota\n  slipway quota show --owner usr_01JH…",
                  [&invocation, owner] { return show(invocation, *owner); });
  command.add_option("--owner", *owner, "a user's id (admin only)");
  return command;
}

struct CheckOptions {
  std::string from_template, version, workspace;
  std::optional<std::int64_t> daily_cost;
};

int check(Invocation& invocation, const CheckOptions& options) {
  HubClient& hub = invocation.hub();
  json::Object body;
  if (!options.from_template.empty()) body["fromTemplate"] = options.from_template;
  if (!options.version.empty()) body["version"] = options.version;
  if (options.daily_cost) body["dailyCost"] = *options.daily_cost;
  if (!options.workspace.empty()) body["workspaceId"] = hub.resolve_workspace(options.workspace);
  const auto answer = hub.post("/v1/quota/check", body);
  const auto checked = read_view<QuotaCheckView>(answer);
  if (invocation.wants_json())
    invocation.print_json(answer);
  else
    invocation.world.out << (checked.ok ? "It would pass: " : "It would be refused: ") << checked.daily_cost
                         << " a day makes " << checked.consumed << " together, the budget is "
                         << in_words(checked.budget) << ".\n";
  return checked.ok ? kOk : kFailed;
}

void add_check(CLI::App& group, Invocation& invocation) {
  auto options = std::make_shared<CheckOptions>();
  CLI::App& command =
      add_command(group, invocation, "check", "Whether a build would pass; the exit code says it, too",
                  "  slipway quota check --template docker\n  slipway quota check --cost 12 --workspace dev",
                  [&invocation, options] { return check(invocation, *options); });
  command.add_option("--template", options->from_template, "what a start of it costs by its import")
      ->type_name(kTemplateName);
  command.add_option("--version", options->version, "of the template; the active one, if not given");
  command.add_option("--cost", options->daily_cost, "credits a day, instead of a template's");
  command.add_option("--workspace", options->workspace, "which would be built; a new one, if not given")
      ->type_name(kWorkspaceName);
}

void print_groups(const Invocation& invocation, const json::Array& groups) {
  if (groups.empty()) {
    invocation.world.out << "No groups: nobody has a limit.\n";
    return;
  }
  Table table({"GROUP", "BUDGET/DAY", "MEMBERS"});
  for (const auto& item : groups) {
    const auto view = read_view<GroupView>(item);
    std::string members;
    for (const auto& member : view.members) members += (members.empty() ? "" : ", ") + printable(member);
    table.add({printable(view.name), std::to_string(view.daily_budget), view.name == "everyone" ? "(all)" : members});
  }
  table.print(invocation.world.out, invocation.out_style());
}

void add_groups_list(CLI::App& group, Invocation& invocation) {
  CLI::App& command = add_command(group, invocation, "list", "List groups, their budgets and members",
                                  "  slipway groups list", [&invocation] {
                                    const auto groups = invocation.hub().get("/v1/groups");
                                    if (invocation.wants_json())
                                      invocation.print_json(groups);
                                    else
                                      print_groups(invocation, groups.as_array());
                                    return kOk;
                                  });
  command.alias("ls");
}

void add_groups_set(CLI::App& group, Invocation& invocation) {
  struct Options {
    std::string name;
    std::int64_t budget = 0;
    std::vector<std::string> members;
  };
  auto options = std::make_shared<Options>();
  CLI::App& command = add_command(
      group, invocation, "set", "Make a group, or set its budget and members anew",
      "  slipway groups set everyone --budget 20\n  slipway groups set builders --budget 100 --member usr_01JH…",
      [&invocation, options] {
        const json::Object body{{"dailyBudget", options->budget}, {"members", json::to_value(options->members)}};
        const auto made = invocation.hub().put(group_target(options->name), body);
        if (invocation.wants_json())
          invocation.print_json(made);
        else
          invocation.world.out << "Group " << printable(options->name) << " has " << options->budget
                               << " credits a day for each of its members.\n";
        return kOk;
      });
  command.add_option("name", options->name, "of the group; everybody is in `everyone`")->required();
  command.add_option("--budget", options->budget, "credits a day")->required();
  command.add_option("--member", options->members, "a user's id; may be repeated");
}

void add_groups_delete(CLI::App& group, Invocation& invocation) {
  auto name = std::make_shared<std::string>();
  CLI::App& command = add_command(group, invocation, "delete", "Take a group away; with the last one goes the limit",
                                  "  slipway groups delete builders", [&invocation, name] {
                                    const auto gone = invocation.hub().remove(group_target(*name));
                                    if (invocation.wants_json())
                                      invocation.print_json(gone);
                                    else
                                      invocation.world.out << "Group " << printable(*name) << " is deleted.\n";
                                    return kOk;
                                  });
  command.add_option("name", *name, "of the group")->required();
}

}  // namespace

void add_quota_commands(CLI::App& app, Invocation& invocation) {
  CLI::App& quota = add_show(app, invocation, "quota", "What workspaces cost, and may cost");
  quota.require_subcommand(0, 1);
  add_show(quota, invocation, "show", "What your workspaces cost a day, and may cost: the same as `slipway quota`");
  add_check(quota, invocation);
  CLI::App& groups = add_group(app, "groups", "Groups of users and their budgets (admin)");
  add_groups_list(groups, invocation);
  add_groups_set(groups, invocation);
  add_groups_delete(groups, invocation);
}

}  // namespace slipway::app::cli
