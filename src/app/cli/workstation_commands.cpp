// workstations list, show, create, start, stop, move, delete, token, tiers. Places: workstation_place_commands.cpp.

#include <CLI/CLI.hpp>
#include <istream>
#include <ostream>

#include "app/cli/commands.h"
#include "app/cli/run_progress.h"
#include "app/cli/run_timeline.h"
#include "app/cli/table.h"
#include "app/cli/workstation_views.h"
#include "net/http.h"

namespace slipway::app::cli {

namespace {

std::string target_of(const std::string& id) { return "/v1/workstations/" + net::percent_encode(id); }

std::string text(const std::optional<std::string>& value) { return value ? printable(*value) : std::string(); }

std::string shown_status(const WorkstationView& workstation, const Style& style) {
  if (workstation.waiting_for) return style.red("waiting for " + printable(*workstation.waiting_for));
  const std::string status = printable(workstation.status);
  if (status == "running") return style.green(status);
  return status == "failed" || status == "lost" ? style.red(status) : status;
}

std::string machine(const WorkstationView& workstation) {
  return printable(workstation.machine_type) + ", " + std::to_string(workstation.vcpus) + " vCPU, " +
         std::to_string(workstation.memory_gb) + " GB, " + std::to_string(workstation.boot_disk_size_gb) + " GB disk";
}

void print_workstations(const Invocation& invocation, const json::Array& workstations) {
  const base::Instant now = invocation.world.clock.now();
  const Style style = invocation.out_style();
  Table table({"WORKSTATION", "STATUS", "TIER", "ORGANIZATION", "USER", "AGE"});
  for (const json::Value& value : workstations) {
    const auto workstation = read_view<WorkstationView>(value);
    table.add({printable(workstation.id), shown_status(workstation, style), printable(workstation.tier),
               printable(workstation.organization_id), printable(workstation.user_id),
               workstation.created_at ? age(*workstation.created_at, now) : ""});
  }
  table.print(invocation.world.out, style);
}

void print_workstation(const Invocation& invocation, const WorkstationView& workstation) {
  const Style style = invocation.out_style();
  const auto time = [](const std::optional<base::Instant>& at) {
    return at ? base::format_rfc3339(*at) : std::string();
  };
  Facts facts;
  facts.add("Workstation", printable(workstation.id));
  facts.add("Status", shown_status(workstation, style));
  if (workstation.error)
    facts.add("Error", style.red(printable(workstation.error->code + ": " + workstation.error->message)));
  facts.add("Run", text(workstation.run_id));
  facts.add("User", printable(workstation.user_id + " <" + workstation.user_email + ">"));
  facts.add("Organization", printable(workstation.organization_id));
  facts.add("Tier", printable(workstation.tier));
  facts.add("Machine", machine(workstation));
  facts.add("Launch", text(workstation.launch_url));
  facts.add("Resource", text(workstation.gcp_workstation_id));
  facts.add("Created", time(workstation.created_at));
  facts.add("Provisioned", time(workstation.provisioned_at));
  facts.print(invocation.world.out, style);
}

// Follows an accepted run to its end, and shows the workstation as it is then.
int await_run(Invocation& invocation, const json::Value& accepted, const std::string& id, bool wait) {
  const auto view = read_view<AcceptedView>(accepted);
  if (!wait) {
    if (invocation.wants_json())
      invocation.print_json(accepted);
    else
      invocation.world.out << printable(id) << " run " << printable(view.run.id) << '\n';
    return kOk;
  }
  const json::Value ended = watch_run(invocation, view.run.id, invocation.world.err, invocation.world.err_is_terminal);
  const RunView run = read_view<RunView>(ended);
  const bool is_completed = run.status == "completed";
  if (!is_completed) {
    if (invocation.wants_json()) invocation.print_json(ended);
    invocation.say(outcome_line(run));
    return kFailed;
  }
  const json::Value workstation = invocation.hub().get(target_of(id));
  if (invocation.wants_json())
    invocation.print_json(workstation);
  else
    print_workstation(invocation, read_view<WorkstationView>(workstation));
  return kOk;
}

// ---- list, show, tiers

void add_list(CLI::App& group, Invocation& invocation) {
  struct Options {
    std::string status, tier, organization, user;
    bool waiting = false, deleted = false;
  };
  auto options = std::make_shared<Options>();
  CLI::App& command = add_command(
      group, invocation, "list", "List workstations, newest first",
      "  slipway workstations list --status creating\n  slipway workstations list --organization acme --tier starter",
      [&invocation, options] {
        std::string target = "/v1/workstations";
        std::string joint = "?";
        const auto filter = [&](const char* name, const std::string& value) {
          if (!value.empty()) target += std::exchange(joint, "&") + name + "=" + net::percent_encode(value);
        };
        filter("status", options->status);
        filter("tier", options->tier);
        filter("organizationId", options->organization);
        filter("userId", options->user);
        filter("waitingFor", options->waiting ? "quota" : "");
        filter("deleted", options->deleted ? "true" : "");
        const json::Array workstations = invocation.hub().list(target);
        if (invocation.wants_json())
          invocation.print_json(workstations);
        else if (workstations.empty())
          invocation.world.err << "No workstations.\n";
        else
          print_workstations(invocation, workstations);
        return kOk;
      });
  command.alias("ls");
  command.add_option("--status", options->status, "only those in this status")
      ->type_name("creating|running|stopping|stopped|starting|deleting|deleted|failed|lost");
  command.add_option("--tier", options->tier, "only of this tier");
  command.add_option("--organization", options->organization, "only of this organization")->type_name(kOrganizationId);
  command.add_option("--user", options->user, "only of this user");
  command.add_flag("--waiting-for-quota", options->waiting, "only those for which the cloud has no room now");
  command.add_flag("--deleted", options->deleted, "also those that were taken away");
}

void add_show(CLI::App& group, Invocation& invocation) {
  auto id = std::make_shared<std::string>();
  CLI::App& command = add_command(group, invocation, "show", "Show one workstation",
                                  "  slipway workstations show ws-ada-k3m9q2x7ab", [&invocation, id] {
                                    const json::Value workstation = invocation.hub().get(target_of(*id));
                                    if (invocation.wants_json())
                                      invocation.print_json(workstation);
                                    else
                                      print_workstation(invocation, read_view<WorkstationView>(workstation));
                                    return kOk;
                                  });
  command.add_option("workstation", *id, "its id")->required()->type_name(kWorkstationId);
}

void print_tiers(const Invocation& invocation, const json::Array& tiers) {
  Table table({"TIER", "MACHINE", "VCPU", "MEMORY", "DISK", "ABOUT, A MONTH", "RUNNING", "ALL"});
  for (const json::Value& value : tiers) {
    const auto tier = read_view<TierView>(value);
    std::int64_t all = 0;
    for (const auto& [status, count] : tier.workstations)
      if (status != "deleted") all += count;
    const auto running = tier.workstations.find("running");
    table.add({printable(tier.name), printable(tier.machine_type), std::to_string(tier.vcpus),
               std::to_string(tier.memory_gb) + " GB", std::to_string(tier.disk_gb) + " GB",
               "$" + std::to_string(tier.monthly_cost_usd),
               std::to_string(running == tier.workstations.end() ? 0 : running->second), std::to_string(all)});
  }
  table.print(invocation.world.out, invocation.out_style());
}

void add_tiers(CLI::App& group, Invocation& invocation) {
  add_command(group, invocation, "tiers", "Show what workstations are sold as", "  slipway workstations tiers",
              [&invocation] {
                const json::Value tiers = invocation.hub().get("/v1/tiers");
                if (invocation.wants_json())
                  invocation.print_json(tiers);
                else
                  print_tiers(invocation, tiers.get_array());
                return kOk;
              });
}

// ---- create

struct CreateOptions {
  std::string user, organization, tier = "starter", email, idempotency_key;
  std::vector<std::string> environment;
  bool no_wait = false;
};

json::Value to_body(const CreateOptions& options) {
  json::Object body{{"userId", options.user},
                    {"organizationId", options.organization},
                    {"tier", options.tier},
                    {"userEmail", options.email}};
  json::Object environment;
  for (const std::string& pair : options.environment) {
    const auto equals = pair.find('=');
    if (equals == 0 || equals == std::string::npos)
      throw base::validation_error("--env", "'" + pair + "' is not of the form NAME=VALUE");
    environment[pair.substr(0, equals)] = pair.substr(equals + 1);
  }
  if (!environment.empty()) body["environment"] = environment;
  return body;
}

void add_create(CLI::App& group, Invocation& invocation) {
  auto options = std::make_shared<CreateOptions>();
  CLI::App& command = add_command(
      group, invocation, "create", "Order a workstation and show how it comes to be (admin)",
      "  slipway workstations create --user ada --organization acme --email ada@example.com --tier professional",
      [&invocation, options] {
        const json::Value accepted =
            invocation.hub().post("/v1/workstations", to_body(*options), options->idempotency_key);
        const std::string id(accepted.at("workstationId").as_string());
        return await_run(invocation, accepted, id, !options->no_wait);
      });
  command.add_option("--user", options->user, "whose it will be")->required();
  command.add_option("--organization", options->organization, "in whose network")
      ->required()
      ->type_name(kOrganizationId);
  command.add_option("--email", options->email, "who is told when it is ready")->required();
  command.add_option("--tier", options->tier, "slipway workstations tiers")->capture_default_str();
  command
      .add_option("--env", options->environment, "NAME=VALUE for the user's processes; repeatable; never shown again")
      ->type_name("NAME=VALUE")
      ->expected(1)
      ->take_all();
  command.add_option("--idempotency-key", options->idempotency_key, "the same key makes the same workstation, not two");
  command.add_flag("--no-wait", options->no_wait, "print the run and return at once");
}

// ---- start, stop, move, delete

struct ChangeOptions {
  std::string id, tier;
  bool no_wait = false, yes = false;
};

void add_change_options(CLI::App& command, ChangeOptions& options) {
  command.add_option("workstation", options.id, "its id")->required()->type_name(kWorkstationId);
  command.add_flag("--no-wait", options.no_wait, "print the run and return at once");
}

void add_start_and_stop(CLI::App& group, Invocation& invocation) {
  for (const auto& [name, description] :
       {std::pair("start", "Start a workstation's machine"), std::pair("stop", "Stop the machine; its home is kept")}) {
    auto options = std::make_shared<ChangeOptions>();
    CLI::App& command = add_command(
        group, invocation, name, description, "  slipway workstations " + std::string(name) + " ws-ada-k3m9q2x7ab",
        [&invocation, options, verb = std::string(name)] {
          const auto accepted = invocation.hub().post(target_of(options->id) + "/" + verb, nullptr);
          return await_run(invocation, accepted, options->id, !options->no_wait);
        });
    add_change_options(command, *options);
  }
}

void add_move(CLI::App& group, Invocation& invocation) {
  auto options = std::make_shared<ChangeOptions>();
  CLI::App& command = add_command(
      group, invocation, "move", "Move a workstation to another tier, with its home (admin)",
      "  slipway workstations move ws-ada-k3m9q2x7ab --tier business", [&invocation, options] {
        const auto accepted = invocation.hub().patch(target_of(options->id), json::Object{{"tier", options->tier}});
        return await_run(invocation, accepted, options->id, !options->no_wait);
      });
  add_change_options(command, *options);
  command.add_option("--tier", options->tier, "where to; its disk must not be smaller")->required();
}

void add_delete(CLI::App& group, Invocation& invocation) {
  auto options = std::make_shared<ChangeOptions>();
  CLI::App& command = add_command(
      group, invocation, "delete", "Take a workstation away, with its home; asks first (admin)",
      "  slipway workstations delete ws-ada-k3m9q2x7ab --yes", [&invocation, options] {
        const auto id = printable(options->id);
        if (!options->yes)
          confirm_delete(invocation,
                         "workstation " + invocation.err_style().bold(id) + " with its home and everything in it",
                         "deleting takes the home of '" + id + "' away for ever");
        const auto accepted = invocation.hub().remove(target_of(options->id));
        return await_run(invocation, accepted, options->id, !options->no_wait);
      });
  command.alias("rm");
  add_change_options(command, *options);
  command.add_flag("-y,--yes", options->yes, "do not ask");
}

void add_token(CLI::App& group, Invocation& invocation) {
  struct Options {
    std::string id, ttl = "1h";
    std::int64_t port = 0;
  };
  auto options = std::make_shared<Options>();
  CLI::App& command =
      add_command(group, invocation, "token", "Print a short-lived access token for a workstation's addresses",
                  "  curl -H \"Authorization: Bearer $(slipway workstations token ws-ada-k3m9q2x7ab)\" https://HOST/",
                  [&invocation, options] {
                    const auto ttl = base::parse_duration(options->ttl);
                    if (!ttl)
                      throw base::validation_error("--ttl", "'" + options->ttl + "' is no duration such as 15m or 8h");
                    json::Object body{{"ttlMs", ttl->count()}};
                    if (options->port != 0) body["port"] = options->port;
                    const auto token = invocation.hub().post(target_of(options->id) + "/access-token", body);
                    if (invocation.wants_json())
                      invocation.print_json(token);
                    else
                      invocation.world.out << printable(token.at("accessToken").as_string()) << '\n';
                    return kOk;
                  });
  command.add_option("workstation", options->id, "its id")->required()->type_name(kWorkstationId);
  command.add_option("--ttl", options->ttl, "how long it is good, at most 24h")->capture_default_str();
  command.add_option("--port", options->port, "good for this port only");
}

}  // namespace

void add_workstation_commands(CLI::App& app, Invocation& invocation) {
  CLI::App& group = add_group(app, "workstations", "Order, see, start, stop, move and delete cloud workstations");
  group.alias("workstation");
  add_create(group, invocation);
  add_list(group, invocation);
  add_show(group, invocation);
  add_start_and_stop(group, invocation);
  add_move(group, invocation);
  add_delete(group, invocation);
  add_token(group, invocation);
  add_tiers(group, invocation);
  add_workstation_place_commands(app, group, invocation);
}

}  // namespace slipway::app::cli
