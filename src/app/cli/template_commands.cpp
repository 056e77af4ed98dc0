// template list, show, versions, promote, deprecate, delete, dry-run. push: template_push.cpp. init: template_init.cpp.

#include <CLI/CLI.hpp>
#include <ostream>

#include "app/cli/assignments.h"
#include "app/cli/commands.h"
#include "app/cli/job_progress.h"
#include "app/cli/table.h"
#include "app/cli/template_views.h"
#include "net/http.h"

namespace slipway::app::cli {
namespace {

std::string target_of(const std::string& name) { return "/v1/templates/" + net::percent_encode(name); }
std::string target_of(const std::string& name, const std::string& version) {
  return target_of(name) + "/versions/" + net::percent_encode(version);
}

std::string when(const Invocation& invocation, const std::optional<base::Instant>& at) {
  return at ? age(*at, invocation.world.clock.now()) : "";
}

std::string status_of(const Style& style, const std::string& status) {
  if (status == "ready" || status == "succeeded") return style.green(status);
  return status == "failed" ? style.red(status) : printable(status);
}

void print_templates(const Invocation& invocation, const json::Array& templates) {
  if (templates.empty()) {
    invocation.world.out << "No templates. `slipway template init` makes one to begin with.\n";
    return;
  }
  Table table({"NAME", "TITLE", "VERSION", "WORKSPACES", "CHANGED", "DEPRECATED"});
  for (const auto& item : templates) {
    const auto view = read_view<TemplateView>(item);
    table.add({printable(view.name), printable(view.display_name), printable(view.active_version.value_or("-")),
               std::to_string(view.workspaces), when(invocation, view.updated_at),
               printable(view.deprecated.value_or(""))});
  }
  table.print(invocation.world.out, invocation.out_style());
}

void print_versions(const Invocation& invocation, const json::Array& versions) {
  const Style style = invocation.out_style();
  Table table({"VERSION", "STATUS", "ACTIVE", "AGE", "MESSAGE"});
  for (const auto& item : versions) {
    const auto view = read_view<TemplateVersionView>(item);
    table.add({printable(view.name), status_of(style, view.status), view.is_active ? "yes" : "",
               when(invocation, view.created_at),
               printable(view.error ? view.error->code + ": " + view.error->message : view.message)});
  }
  table.print(invocation.world.out, style);
}

void print_resources(const Invocation& invocation, const std::vector<TemplateResourceView>& resources) {
  if (resources.empty()) return;
  Table table({"RESOURCE", "ACTION", "COST/DAY"});
  for (const auto& resource : resources)
    table.add({printable(resource.address), printable(resource.action), std::to_string(resource.daily_cost)});
  invocation.world.out << '\n';
  table.print(invocation.world.out, invocation.out_style());
}

void print_inputs(const Invocation& invocation, const TemplateVersionView& version) {
  auto& out = invocation.world.out;
  if (!version.parameters.empty()) {
    Table table({"PARAMETER", "TYPE", "DEFAULT", "", "DESCRIPTION"});
    for (const auto& parameter : version.parameters)
      table.add({printable(parameter.name), printable(parameter.type), printable(parameter.default_value.value_or("")),
                 parameter.required     ? "required"
                 : parameter.is_mutable ? ""
                                        : "once",
                 printable(parameter.description)});
    out << '\n';
    table.print(out, invocation.out_style());
  }
  if (version.variables.empty()) return;
  Table table({"VARIABLE", "TYPE", "VALUE", "DESCRIPTION"});
  for (const auto& variable : version.variables)
    table.add({printable(variable.name), printable(variable.type), printable(variable.value.value_or("")),
               printable(variable.description)});
  out << '\n';
  table.print(out, invocation.out_style());
}

void print_version(const Invocation& invocation, const TemplateView& view, const TemplateVersionView& version) {
  const Style style = invocation.out_style();
  Facts facts;
  facts.add("Template", printable(view.name));
  facts.add("Title", view.display_name == view.name ? "" : printable(view.display_name));
  facts.add("Description", printable(view.description));
  facts.add("Deprecated", view.deprecated ? style.yellow(printable(*view.deprecated)) : "");
  facts.add("Workspaces", std::to_string(view.workspaces));
  facts.add("Jobs at once", view.jobs_max ? std::to_string(*view.jobs_max) : "");
  facts.add("Version", printable(version.name) + (version.is_active ? " (active)" : ""));
  facts.add("Status", status_of(style, version.status));
  facts.add("Message", printable(version.message));
  facts.add("Provisioner", printable(version.provisioner));
  for (const auto& [name, value] : version.tags) facts.add("Tag " + printable(name), printable(value));
  if (version.start_daily_cost)
    facts.add("Cost", std::to_string(*version.start_daily_cost) + " a day, " +
                          std::to_string(version.stop_daily_cost.value_or(0)) + " while it is stopped");
  if (version.error) facts.add("Error", style.red(printable(version.error->code + ": " + version.error->message)));
  if (version.status != "ready") facts.add("Job", printable(version.job_id.value_or("")));
  facts.print(invocation.world.out, style);
  print_inputs(invocation, version);
  print_resources(invocation, version.start_resources);
}

void add_list(CLI::App& group, Invocation& invocation) {
  CLI::App& command =
      add_command(group, invocation, "list", "List templates", "  slipway template list", [&invocation] {
        const auto templates = invocation.hub().list("/v1/templates");
        if (invocation.wants_json())
          invocation.print_json(templates);
        else
          print_templates(invocation, templates);
        return kOk;
      });
  command.alias("ls");
}

void add_show(CLI::App& group, Invocation& invocation) {
  struct Options {
    std::string name, version;
  };
  auto options = std::make_shared<Options>();
  CLI::App& command = add_command(
      group, invocation, "show", "Show a template: its parameters, what it builds, what that costs",
      "  slipway template show docker\n  slipway template show docker --version v3", [&invocation, options] {
        HubClient& hub = invocation.hub();
        const auto shown = hub.get(target_of(options->name));
        const auto view = read_view<TemplateView>(shown);
        const auto name = options->version.empty() ? view.active_version.value_or("") : options->version;
        if (name.empty()) {
          if (invocation.wants_json())
            invocation.print_json(shown);
          else
            invocation.world.out << "Template " << printable(view.name) << " has no active version yet.\n";
          return kOk;
        }
        const auto version = hub.get(target_of(options->name, name));
        if (invocation.wants_json())
          invocation.print_json(version);
        else
          print_version(invocation, view, read_view<TemplateVersionView>(version));
        return kOk;
      });
  command.add_option("name", options->name, "of the template")->required()->type_name(kTemplateName);
  command.add_option("--version", options->version, "the active one, if not given");
}

void add_versions(CLI::App& group, Invocation& invocation) {
  auto name = std::make_shared<std::string>();
  CLI::App& command = add_command(group, invocation, "versions", "List the versions of a template, newest first",
                                  "  slipway template versions docker", [&invocation, name] {
                                    // Pages by number: as many as one answer holds are enough for people.
                                    const auto versions =
                                        invocation.hub().get(target_of(*name) + "/versions?limit=200");
                                    if (invocation.wants_json())
                                      invocation.print_json(versions);
                                    else
                                      print_versions(invocation, versions.as_array());
                                    return kOk;
                                  });
  command.add_option("name", *name, "of the template")->required()->type_name(kTemplateName);
}

int report_change(Invocation& invocation, const json::Value& changed, const std::string& sentence) {
  if (invocation.wants_json())
    invocation.print_json(changed);
  else
    invocation.world.out << sentence << '\n';
  return kOk;
}

void add_promote(CLI::App& group, Invocation& invocation) {
  struct Options {
    std::string name, version;
  };
  auto options = std::make_shared<Options>();
  CLI::App& command = add_command(
      group, invocation, "promote", "Make a version the one that new workspaces are built from: newer or older",
      "  slipway template promote docker v7", [&invocation, options] {
        const json::Object body{{"activeVersion", options->version}};
        return report_change(
            invocation, invocation.hub().patch(target_of(options->name), body),
            "Version " + printable(options->version) + " of template " + printable(options->name) + " is active.");
      });
  command.add_option("name", options->name, "of the template")->required()->type_name(kTemplateName);
  command.add_option("version", options->version, "its name or id")->required();
}

void add_deprecate(CLI::App& group, Invocation& invocation) {
  struct Options {
    std::string name, reason;
    bool undo = false;
  };
  auto options = std::make_shared<Options>();
  CLI::App& command = add_command(
      group, invocation, "deprecate", "Make no new workspaces of a template; those that there are go on",
      "  slipway template deprecate docker --reason 'use podman'\n  slipway template deprecate docker --undo",
      [&invocation, options] {
        if (!options->undo && options->reason.empty())
          throw base::validation_error("--reason", "is needed: people will read it");
        const json::Object body{{"deprecated", options->undo ? json::Value(nullptr) : json::Value(options->reason)}};
        return report_change(invocation, invocation.hub().patch(target_of(options->name), body),
                             "Template " + printable(options->name) +
                                 (options->undo ? " is not deprecated any more." : " is deprecated."));
      });
  command.add_option("name", options->name, "of the template")->required()->type_name(kTemplateName);
  command.add_option("--reason", options->reason, "shown to those who want a workspace of it");
  command.add_flag("--undo", options->undo, "it may be used again");
}

void add_delete(CLI::App& group, Invocation& invocation) {
  struct Options {
    std::string name;
    bool yes = false;
  };
  auto options = std::make_shared<Options>();
  CLI::App& command = add_command(
      group, invocation, "delete", "Take a template and its versions away, once it has no workspaces; asks first",
      "  slipway template delete docker\n  slipway template delete docker --yes", [&invocation, options] {
        const auto name = printable(options->name);
        if (!options->yes)
          confirm_delete(invocation, "template " + invocation.err_style().bold(name) + " with all its versions",
                         "deleting takes all versions of '" + name + "' away for ever");
        return report_change(invocation, invocation.hub().remove(target_of(options->name)),
                             "Template " + name + " is deleted.");
      });
  command.alias("rm");
  command.add_option("name", options->name, "of the template")->required()->type_name(kTemplateName);
  command.add_flag("-y,--yes", options->yes, "do not ask");
}

struct DryRunOptions {
  std::string name, version;
  std::vector<std::string> parameters;
};

int dry_run(Invocation& invocation, const DryRunOptions& options) {
  HubClient& hub = invocation.hub();
  std::string version = options.version;
  if (version.empty()) version = read_view<TemplateView>(hub.get(target_of(options.name))).active_version.value_or("");
  if (version.empty())
    throw base::invalid_state("template '" + options.name + "' has no active version: name one with --version");
  const auto values = read_assignments("--parameter", options.parameters);
  const auto answer =
      hub.post(target_of(options.name, version) + "/dry-run", json::Object{{"parameters", json::to_value(values)}});
  const std::string job(answer.at("dryRun").at("jobId").as_string());
  follow_job_log(invocation, job);
  const auto shown = hub.get("/v1/jobs/" + net::percent_encode(job), Patience::retry);
  const auto outcome = read_view<DryRunJobView>(shown);
  if (invocation.wants_json()) {
    invocation.print_json(shown);
  } else if (outcome.dry_run) {
    invocation.world.out << "It would cost " << outcome.dry_run->daily_cost << " a day.\n";
    print_resources(invocation, outcome.dry_run->resources);
  } else if (outcome.error) {
    invocation.say(printable(outcome.error->code + ": " + outcome.error->message));
  }
  return outcome.status == "succeeded" ? kOk : kFailed;
}

void add_dry_run(CLI::App& group, Invocation& invocation) {
  auto options = std::make_shared<DryRunOptions>();
  CLI::App& command = add_command(
      group, invocation, "dry-run", "Plan a template for a workspace that does not exist",
      "  slipway template dry-run docker --parameter cpus=4\n  slipway template dry-run docker --version v8",
      [&invocation, options] { return dry_run(invocation, *options); });
  command.add_option("name", options->name, "of the template")->required()->type_name(kTemplateName);
  command.add_option("--version", options->version, "the active one, if not given");
  command.add_option("--parameter", options->parameters, "NAME=VALUE; may be repeated")->type_name("NAME=VALUE");
}

}  // namespace

void add_template_commands(CLI::App& app, Invocation& invocation) {
  CLI::App& group = add_group(app, "template", "Templates, from which workspaces are built");
  group.alias("templates");
  add_template_init(group, invocation);
  add_template_push(group, invocation);
  add_list(group, invocation);
  add_show(group, invocation);
  add_versions(group, invocation);
  add_promote(group, invocation);
  add_deprecate(group, invocation);
  add_delete(group, invocation);
  add_dry_run(group, invocation);
}

}  // namespace slipway::app::cli
