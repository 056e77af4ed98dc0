// why, status, version, openapi.

#include <CLI/CLI.hpp>
#include <ostream>

#include "api/openapi.h"
#include "api/routes.h"
#include "app/cli/commands.h"
#include "app/cli/table.h"
#include "app/cli/views.h"
#include "app/version.h"
#include "net/http.h"

namespace slipway::app::cli {

namespace {

void print_why(const Invocation& invocation, const WhyView& why) {
  const Style style = invocation.out_style();
  std::ostream& out = invocation.world.out;
  out << printable(why.kind) << ' ' << style.bold(printable(why.id)) << " is " << style.status(printable(why.state))
      << '\n';
  for (const std::string& reason : why.because) out << "  because " << printable(reason) << '\n';
  for (const NextView& next : why.next) {
    out << "  next: " << printable(next.what);
    if (next.at) {
      const base::Duration ahead = *next.at - invocation.world.clock.now();
      out << (ahead.count() > 0 ? " in " + base::format_duration(ahead) : " now") << " ("
          << base::format_rfc3339(*next.at) << ")";
    }
    out << '\n';
  }
}

// Names of workspaces have no '_', ids of all other things do, but for those of workstations: ws-….
json::Value ask_why(HubClient& hub, const std::string& id) {
  const auto of = [&](const std::string& resolved) { return hub.get("/v1/why/" + net::percent_encode(resolved)); };
  if (id.contains('_')) return of(id);
  if (id.starts_with("ws-")) try {
      return of(id);
    } catch (const base::Error& error) {
      if (error.code() != "NOT_FOUND") throw;  // a workspace may be called that, too
    }
  return of(hub.resolve_workspace(id));
}

void add_why(CLI::App& app, Invocation& invocation) {
  auto id = std::make_shared<std::string>();
  CLI::App& command =
      add_command(app, invocation, "why",
                  "Explain why a workspace, workstation, run, webhook or alert is as it is, and what happens next",
                  "  slipway why hello\n  slipway why run_01jh2k7v5m8q3w9x4y6z0abcde", [&invocation, id] {
                    HubClient& hub = invocation.hub();
                    const json::Value why = ask_why(hub, *id);
                    if (invocation.wants_json())
                      invocation.print_json(why);
                    else
                      print_why(invocation, read_view<WhyView>(why));
                    return kOk;
                  });
  command
      .add_option("workspace", *id,
                  "name or id of a workspace, or id of a workstation, run, webhook, delivery or alert")
      ->required()
      ->type_name(kWorkspaceName);
}

void add_status(CLI::App& app, Invocation& invocation) {
  add_command(app, invocation, "status", "Which hub, is it well, who am I",
              "  slipway status\n  slipway status --url http://hub.example:8080", [&invocation] {
                HubClient& hub = invocation.hub();
                const json::Value health = hub.get("/health");
                const json::Value me = hub.get("/v1/me");
                if (invocation.wants_json()) {
                  invocation.print_json(json::Object{{"url", hub.address().url}, {"health", health}, {"me", me}});
                  return kOk;
                }
                const auto user = read_view<MeView>(me);
                const json::Value* version = health.is_object() ? health.get_object().if_contains("version") : nullptr;
                Facts facts;
                facts.add("Hub", hub.address().url);
                facts.add("Health", invocation.out_style().green("ok"));
                if (version != nullptr && version->is_string()) facts.add("Version", printable(version->get_string()));
                if (hub.address().data_dir) facts.add("Data", hub.address().data_dir->string());
                facts.add("You", printable(user.name + " (" + user.user_id + ", " + user.role + ")"));
                facts.print(invocation.world.out, invocation.out_style());
                return kOk;
              });
}

void add_version(CLI::App& app, Invocation& invocation) {
  add_command(app, invocation, "version", "Print the version of this program", "  slipway version", [&invocation] {
    if (invocation.wants_json())
      invocation.print_json(json::Object{{"version", kVersion}});
    else
      invocation.world.out << "slipway " << kVersion << '\n';
    return kOk;
  });
}

// Without a hub, so that clients can be generated where none runs.
void add_openapi(CLI::App& app, Invocation& invocation) {
  add_command(
      app, invocation, "openapi", "Print the API's OpenAPI 3.1 document",
      "  slipway openapi > openapi.json\n  slipway openapi | openapi-generator-cli generate -g python -i /dev/stdin",
      [&invocation] {
        invocation.print_json(api::describe(api::all_routes(), kVersion));
        return kOk;
      });
}

}  // namespace

void add_hub_commands(CLI::App& app, Invocation& invocation) {
  add_why(app, invocation);
  add_status(app, invocation);
  add_version(app, invocation);
  add_openapi(app, invocation);
}

}  // namespace slipway::app::cli
