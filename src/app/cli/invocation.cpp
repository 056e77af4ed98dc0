#include "app/cli/invocation.h"

#include <CLI/CLI.hpp>
#include <istream>
#include <ostream>

namespace slipway::app::cli {

HubAddress Invocation::find_hub_address() const {
  return find_hub(HubSearch{.url_option = url,
                            .key_option = key,
                            .data_option = data_dir,
                            .environment = world.environment,
                            .working_directory = world.working_directory,
                            .program_dirs = world.program_dirs});
}

HubClient& Invocation::hub() {
  if (!hub_) {
    HubAddress address = find_hub_address();
    transport_ = world.connect(address);
    hub_ = std::make_unique<HubClient>(std::move(address),
                                       HubClientParts{*transport_, world.clock, world.random, world.sleep,
                                                      [this](std::string_view notice) { say(notice); }});
  }
  return *hub_;
}

void Invocation::print_json(const json::Value& value) const { world.out << json::print_value(value) << '\n'; }

bool Invocation::colours_allowed() const {
  const auto no_color = world.environment("NO_COLOR");
  return (!no_color || no_color->empty()) && world.environment("TERM").value_or("") != "dumb";
}

void Invocation::say(std::string_view message) const {
  world.err << err_style().bold("slipway:") << ' ' << printable(message) << std::endl;
}

void confirm_delete(const Invocation& invocation, const std::string& what, const std::string& consequence) {
  if (!invocation.world.in_is_terminal)
    throw base::Error(base::ErrorClass::user, "VALIDATION_ERROR",
                      consequence + "; without a terminal to ask on, say --yes");
  invocation.world.err << "Delete " << what << "? [y/N] " << std::flush;
  std::string answer;
  std::getline(invocation.world.in, answer);
  if (answer != "y" && answer != "Y" && answer != "yes")
    throw base::Error(base::ErrorClass::user, "NOT_CONFIRMED", "nothing was deleted");
}

int Invocation::report(const base::Error& error) const {
  world.out.flush();
  world.err << err_style().red("slipway:") << ' '
            << printable(error.message().empty() ? error.code() : error.message());
  constexpr std::array<std::string_view, 4> kSaidByMessage{"VALIDATION_ERROR", "NOT_FOUND", "FILE_NOT_FOUND",
                                                           "CONFLICT"};
  const bool is_coded = std::ranges::find(kSaidByMessage, error.code()) == kSaidByMessage.end();
  if (is_coded && !error.message().empty()) world.err << err_style().dim(" (" + printable(error.code()) + ")");
  world.err << '\n';
  const json::Value* allowed =
      error.details().is_object() ? error.details().get_object().if_contains("allowed") : nullptr;
  if (allowed != nullptr && !allowed->is_null())
    world.err << "  allowed: " << printable(json::print_value(*allowed)) << '\n';
  if (const std::string hint = hint_for(error); !hint.empty()) world.err << "  hint: " << hint << '\n';
  world.err.flush();
  return exit_code_for(error);
}

namespace {

void add_common_options(CLI::App& command, Invocation& invocation) {
  const std::map<std::string, OutputFormat> formats{{"table", OutputFormat::table}, {"json", OutputFormat::json}};
  command
      .add_option_function<std::string>(
          "-o,--output", [&invocation, formats](const std::string& name) { invocation.output = formats.at(name); },
          "table for people, json for programs: the API's `data` as it is")
      ->type_name("table|json")
      ->check(CLI::IsMember(std::vector<std::string>{"table", "json"}).description(""))
      ->group("Common");
  command.add_option("--url", invocation.url, "the hub: http://…, https://… or unix:/path (SLIPWAY_URL)")
      ->type_name("URL")
      ->group("Common");
  command.add_option("--key", invocation.key, "API key; better given as SLIPWAY_KEY: others can see command lines")
      ->type_name("KEY")
      ->group("Common");
  command.add_option("--data", invocation.data_dir, "data folder of a hub on this machine (SLIPWAY_DATA)")
      ->type_name("DIR")
      ->group("Common");
}

}  // namespace

CLI::App& add_command(CLI::App& parent, Invocation& invocation, const std::string& name, const std::string& description,
                      const std::string& examples, std::function<int()> action) {
  CLI::App* command = parent.add_subcommand(name, description);
  add_common_options(*command, invocation);
  command->footer("Examples:\n" + examples);
  // A command that was given below this one has been called before.
  command->callback([&invocation, action = std::move(action)] {
    if (!invocation.action) invocation.action = action;
  });
  return *command;
}

CLI::App& add_group(CLI::App& parent, const std::string& name, const std::string& description) {
  CLI::App* group = parent.add_subcommand(name, description);
  group->require_subcommand(1);
  return *group;
}

}  // namespace slipway::app::cli
