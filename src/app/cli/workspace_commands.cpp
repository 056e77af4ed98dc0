// workspace create, list, show, stop, start, delete.

#include <CLI/CLI.hpp>
#include <istream>
#include <ostream>

#include "app/cli/assignments.h"
#include "app/cli/commands.h"
#include "app/cli/job_progress.h"
#include "app/cli/run_progress.h"
#include "app/cli/run_timeline.h"
#include "app/cli/table.h"
#include "app/cli/views.h"
#include "net/http.h"

namespace slipway::app::cli {

namespace {

std::string when(const std::optional<base::Instant>& at, base::Instant now, std::string_view never) {
  if (!at) return std::string(never);
  const std::string past = age(*at, now);
  return past == "now" ? "just now" : past + " ago";
}

std::string text(const std::optional<std::string>& value) { return value ? printable(*value) : std::string(); }

// Follows an accepted run to its end and prints what came of it. `on_success` prints the table form.
int await_run(Invocation& invocation, const json::Value& accepted, bool wait,
              const std::function<void(const RunView&)>& on_success) {
  const auto view = read_view<AcceptedView>(accepted);
  if (!wait) {
    if (invocation.wants_json())
      invocation.print_json(accepted);
    else
      invocation.world.out << "run " << printable(view.run.id) << '\n';
    return kOk;
  }
  const json::Value ended = view.run.type == kBuildRun ? follow_build(invocation, view.run.id)
                                                       : watch_run(invocation, view.run.id, invocation.world.err,
                                                                   invocation.world.err_is_terminal);
  const RunView run = read_view<RunView>(ended);
  const bool is_completed = run.status == "completed";
  if (invocation.wants_json()) {
    json::Object result = accepted.get_object();  // the same shape, with the run and workspace as they are now
    result["run"] = ended;
    try {
      if (view.workspace) result["workspace"] = invocation.hub().get("/v1/workspaces/" + view.workspace->id);
    } catch (const base::Error& error) {
      if (error.code() != "NOT_FOUND") throw;
      result["workspace"] = nullptr;  // deleted, as asked
    }
    invocation.print_json(result);
  } else if (is_completed) {
    on_success(run);
  }
  if (!is_completed) invocation.say(outcome_line(run));
  return is_completed ? kOk : kFailed;
}

// ---- create

struct CreateOptions {
  std::string name, machine_type, zone, provider, image_tag, repo, branch, idempotency_key;
  std::string from_template, template_version;
  std::vector<std::string> environment, parameters;
  bool no_wait = false;
};

void add_parameter_options(CLI::App& command, std::string& version, std::vector<std::string>& parameters) {
  command.add_option("--template-version", version, "of the template, by name or id");
  command.add_option("--parameter", parameters, "NAME=VALUE for a parameter of the template; repeatable")
      ->type_name("NAME=VALUE")
      ->expected(1)
      ->take_all();
}

json::Value create_body(const CreateOptions& options) {
  json::Object body{{"name", options.name}};
  const auto put = [](json::Object& object, const char* member, const std::string& value) {
    if (!value.empty()) object[member] = value;
  };
  put(body, "machine_type", options.machine_type);
  put(body, "zone", options.zone);
  put(body, "provider", options.provider);
  put(body, "image_tag", options.image_tag);
  json::Object metadata;
  put(metadata, "repo", options.repo);
  put(metadata, "branch", options.branch);
  if (!metadata.empty()) body["metadata"] = metadata;
  if (!options.environment.empty())
    body["environment"] = json::to_value(read_assignments("--env", options.environment));
  put(body, "from_template", options.from_template);
  put(body, "template_version", options.template_version);
  if (!options.parameters.empty())
    body["parameters"] = json::to_value(read_assignments("--parameter", options.parameters));
  return body;
}

void add_create(CLI::App& group, Invocation& invocation) {
  auto options = std::make_shared<CreateOptions>();
  CLI::App& command = add_command(
      group, invocation, "create", "Make a workspace and show how it comes to be",
      "  slipway workspace create hello\n"
      "  slipway workspace create api --machine-type large --repo https://example.com/api.git --branch main\n"
      "  slipway workspace create ci --env TOKEN=abc --no-wait --output json\n"
      "  slipway workspace create dev --template local-folder --parameter size=large",
      [&invocation, options] {
        const json::Value accepted =
            invocation.hub().post("/v1/workspaces", create_body(*options), options->idempotency_key);
        return await_run(invocation, accepted, !options->no_wait, [&](const RunView& run) {
          const Style style = invocation.out_style();
          const std::string took = run.duration_ms ? " (" + base::format_duration(*run.duration_ms) + ")" : "";
          invocation.world.out << "Workspace " << style.bold(options->name) << " is " << style.green("ready") << took
                               << (options->from_template.empty()
                                       ? ". Get in with: slipway ssh " + options->name
                                       : ". See what was built with: slipway builds list " + options->name)
                               << '\n';
        });
      });
  command.add_option("name", options->name, "lower-case letters, digits and '-', at most 40")->required();
  command.add_option("--machine-type", options->machine_type, "small, medium, large, … as the provider has them");
  command.add_option("--zone", options->zone, "where, if the provider has several places");
  command.add_option("--provider", options->provider, "what makes the machine; the hub's default if not given");
  command.add_option("--image-tag", options->image_tag, "image to start from");
  command.add_option("--repo", options->repo, "repository that the workspace is for");
  command.add_option("--branch", options->branch, "branch of it");
  command
      .add_option("--env", options->environment, "NAME=VALUE for the user's processes; repeatable; never shown again")
      ->type_name("NAME=VALUE")
      ->expected(1)
      ->take_all();
  command.add_option("--template", options->from_template, "the template to build it from: slipway template list");
  add_parameter_options(command, options->template_version, options->parameters);
  command.add_option("--idempotency-key", options->idempotency_key, "the same key makes the same workspace, not two");
  command.add_flag("--no-wait", options->no_wait, "print the run and return at once");
}

// ---- list, show

void print_workspaces(const Invocation& invocation, const json::Array& workspaces) {
  const base::Instant now = invocation.world.clock.now();
  const Style style = invocation.out_style();
  Table table({"NAME", "STATUS", "MACHINE", "AGE", "LAST CONNECTED"});
  for (const json::Value& value : workspaces) {
    const auto workspace = read_view<WorkspaceView>(value);
    std::string machine = printable(workspace.provider);
    if (workspace.machine_type) machine += "/" + text(workspace.machine_type);
    table.add({printable(workspace.name), style.status(printable(workspace.status)), machine,
               workspace.created_at ? age(*workspace.created_at, now) : "",
               when(workspace.last_connected_at, now, "never")});
  }
  table.print(invocation.world.out, style);
}

void add_list(CLI::App& group, Invocation& invocation) {
  struct Options {
    std::string status, owner;
  };
  auto options = std::make_shared<Options>();
  CLI::App& command = add_command(
      group, invocation, "list", "List workspaces",
      "  slipway workspace list\n  slipway workspace list --status READY --output json", [&invocation, options] {
        std::string target = "/v1/workspaces";
        std::string joint = "?";
        const auto filter = [&](const char* name, const std::string& value) {
          if (!value.empty()) target += std::exchange(joint, "&") + name + "=" + net::percent_encode(value);
        };
        filter("status", options->status);
        filter("owner", options->owner);
        const json::Array workspaces = invocation.hub().list(target);
        if (invocation.wants_json())
          invocation.print_json(workspaces);
        else if (workspaces.empty())
          invocation.world.err << "No workspaces. Make one: slipway workspace create NAME\n";
        else
          print_workspaces(invocation, workspaces);
        return kOk;
      });
  command.alias("ls");
  command.add_option("--status", options->status, "only those in this status")
      ->type_name("PROVISIONING|READY|SUSPENDED|ERROR");
  command.add_flag_callback("--all", [options] { options->owner = "all"; }, "of all owners (admin)");
}

std::string describe_backend(const json::Value& status) {
  const json::Object& object = status.get_object();
  const json::Value* explanation = object.if_contains("explanation");
  return explanation != nullptr && explanation->is_string() ? printable(explanation->get_string()) : std::string();
}

void print_workspace(const Invocation& invocation, const WorkspaceView& workspace, const json::Value& status) {
  const base::Instant now = invocation.world.clock.now();
  const Style style = invocation.out_style();
  Facts facts;
  facts.add("Name", printable(workspace.name));
  facts.add("Id", printable(workspace.id));
  facts.add("Status", style.status(printable(workspace.status)));
  if (workspace.error)
    facts.add("Error", style.red(printable(workspace.error->code + ": " + workspace.error->message)));
  if (status.is_object()) facts.add("Now", describe_backend(status));
  facts.add("Run", text(workspace.run_id));
  facts.add("Provider", printable(workspace.provider));
  facts.add("Machine", text(workspace.machine_type));
  facts.add("Instance", text(workspace.instance_name));
  facts.add("Zone", text(workspace.zone));
  facts.add("Image", text(workspace.image_tag));
  if (workspace.metadata) {
    facts.add("Repository", text(workspace.metadata->repo));
    facts.add("Branch", text(workspace.metadata->branch));
  }
  facts.add("Created", when(workspace.created_at, now, ""));
  facts.add("Connected", when(workspace.last_connected_at, now, "never"));
  facts.print(invocation.world.out, style);
}

void add_show(CLI::App& group, Invocation& invocation) {
  auto name = std::make_shared<std::string>();
  CLI::App& command =
      add_command(group, invocation, "show", "Show one workspace: its record, and what its machine says now",
                  "  slipway workspace show hello\n  slipway workspace show hello --output json", [&invocation, name] {
                    HubClient& hub = invocation.hub();
                    const std::string target = "/v1/workspaces/" + net::percent_encode(hub.resolve_workspace(*name));
                    const json::Value workspace = hub.get(target);
                    if (invocation.wants_json())
                      invocation.print_json(workspace);
                    else
                      print_workspace(invocation, read_view<WorkspaceView>(workspace), hub.get(target + "/status"));
                    return kOk;
                  });
  command.add_option("workspace", *name, "name or id")->required()->type_name(kWorkspaceName);
}

// ---- stop, start, delete

struct ChangeOptions {
  std::string workspace, template_version;
  std::vector<std::string> parameters;
  bool no_wait = false, suspend = false, yes = false, orphan = false;
};

void add_change_options(CLI::App& command, ChangeOptions& options) {
  command.add_option("workspace", options.workspace, "name or id")->required()->type_name(kWorkspaceName);
  command.add_flag("--no-wait", options.no_wait, "print the run and return at once");
}

std::function<void(const RunView&)> say_done(Invocation& invocation, const ChangeOptions& options, const char* done) {
  return [&invocation, &options, done](const RunView&) {
    invocation.world.out << "Workspace " << invocation.out_style().bold(printable(options.workspace)) << ' ' << done
                         << ".\n";
  };
}

void add_stop_and_start(CLI::App& group, Invocation& invocation) {
  auto options = std::make_shared<ChangeOptions>();
  CLI::App& stop = add_command(
      group, invocation, "stop", "Free the machine; the home stays",
      "  slipway workspace stop hello\n  slipway workspace stop hello --suspend", [&invocation, options] {
        HubClient& hub = invocation.hub();
        const std::string id = hub.resolve_workspace(options->workspace, Patience::retry);
        const json::Value accepted = hub.post("/v1/workspaces/" + net::percent_encode(id) + "/stop",
                                              json::Object{{"mode", options->suspend ? "suspend" : "stop"}});
        return await_run(invocation, accepted, !options->no_wait,
                         say_done(invocation, *options, options->suspend ? "is suspended" : "is stopped"));
      });
  add_change_options(stop, *options);
  stop.add_flag("--suspend", options->suspend, "keep its memory, so that it goes on where it was");

  options = std::make_shared<ChangeOptions>();
  CLI::App& start = add_command(
      group, invocation, "start", "Start or resume a workspace; build one from a template again, with other parameters",
      "  slipway workspace start hello\n  slipway workspace start dev --parameter size=small --template-version v2",
      [&invocation, options] {
        HubClient& hub = invocation.hub();
        const std::string id = hub.resolve_workspace(options->workspace, Patience::retry);
        json::Object body;
        if (!options->template_version.empty()) body["template_version"] = options->template_version;
        if (!options->parameters.empty())
          body["parameters"] = json::to_value(read_assignments("--parameter", options->parameters));
        const json::Value accepted = hub.post("/v1/workspaces/" + net::percent_encode(id) + "/start", body);
        return await_run(invocation, accepted, !options->no_wait, say_done(invocation, *options, "is ready"));
      });
  add_change_options(start, *options);
  add_parameter_options(start, options->template_version, options->parameters);
}

void add_delete(CLI::App& group, Invocation& invocation) {
  auto options = std::make_shared<ChangeOptions>();
  CLI::App& command = add_command(
      group, invocation, "delete", "Take a workspace away, with its home; asks first",
      "  slipway workspace delete hello\n  slipway workspace delete hello --yes", [&invocation, options] {
        HubClient& hub = invocation.hub();
        const std::string id = hub.resolve_workspace(options->workspace, Patience::retry);
        const auto name = printable(options->workspace);
        if (!options->yes)
          confirm_delete(invocation,
                         "workspace " + invocation.err_style().bold(name) + " with its home and everything in it",
                         "deleting takes the home of '" + name + "' away for ever");
        const json::Value accepted =
            hub.remove("/v1/workspaces/" + net::percent_encode(id) + (options->orphan ? "?orphan=true" : ""));
        return await_run(invocation, accepted, !options->no_wait, say_done(invocation, *options, "is deleted"));
      });
  command.alias("rm");
  add_change_options(command, *options);
  command.add_flag("-y,--yes", options->yes, "do not ask");
  command.add_flag(
      "--orphan", options->orphan,
      "forget it, and leave behind what its template built (admin; where nothing can destroy it any more)");
}

}  // namespace

json::Value watch_run(Invocation& invocation, const std::string& run_id, std::ostream& out, bool out_is_terminal) {
  const base::Clock& clock = invocation.world.clock;
  const InterruptNotice on_interrupt("\nslipway: the run goes on without us; see it with: slipway runs watch " +
                                     printable(run_id) + "\n");
  const bool dumb = invocation.world.environment("TERM").value_or("") == "dumb";
  const Style style = &out == &invocation.world.err ? invocation.err_style() : invocation.out_style();
  RunProgress progress(out, out_is_terminal && !dumb, has_unicode(invocation), style, clock);
  const bool is_silent = invocation.wants_json();
  return follow_run(
      invocation.hub(), clock, run_id,
      [&](const RunView& run) {
        if (!is_silent) progress.show(run);
      },
      [&] { progress.tick(); });
}

void add_workspace_commands(CLI::App& app, Invocation& invocation) {
  CLI::App& group = add_group(app, "workspace", "Make, see, stop, start and delete workspaces");
  group.alias("ws");
  add_create(group, invocation);
  add_list(group, invocation);
  add_show(group, invocation);
  add_stop_and_start(group, invocation);
  add_delete(group, invocation);
  add_session_commands(app, group, invocation);
}

}  // namespace slipway::app::cli
