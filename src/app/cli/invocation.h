#pragma once
// One run of the program: what a command may touch, injected, so that tests decide it; and the options that every
// command has.

#include <filesystem>
#include <functional>
#include <iosfwd>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "app/cli/exit_code.h"
#include "app/cli/hub_client.h"
#include "app/cli/terminal.h"

namespace CLI {
class App;
}

namespace slipway::app::cli {

struct Surroundings {
  std::istream& in;
  std::ostream& out;
  std::ostream& err;
  bool in_is_terminal = false;
  bool out_is_terminal = false;
  bool err_is_terminal = false;
  std::function<std::optional<std::string>(const std::string&)> environment;
  std::filesystem::path working_directory;
  std::filesystem::path program;  // absolute, as called: what a config written now should call later
  std::vector<std::filesystem::path> program_dirs;
  std::function<std::unique_ptr<Transport>(const HubAddress&)> connect;
  const base::Clock& clock;
  base::Random& random;
  std::function<void(base::Duration)> sleep;
};

enum class OutputFormat { table, json };

class Invocation {
 public:
  explicit Invocation(Surroundings surroundings) : world(std::move(surroundings)) {}

  Surroundings world;
  std::string url, key, data_dir;  // --url, --key, --data
  OutputFormat output = OutputFormat::table;
  std::vector<std::string> trailing;  // exec and ssh: the remote command, as written
  std::function<int()> action;        // of the command that was chosen; returns the exit code

  // The hub, found and connected at the first call.
  HubClient& hub();
  HubAddress find_hub_address() const;

  bool wants_json() const { return output == OutputFormat::json; }
  void print_json(const json::Value& data) const;
  Style out_style() const { return Style(world.out_is_terminal && colours_allowed()); }
  Style err_style() const { return Style(world.err_is_terminal && colours_allowed()); }
  void say(std::string_view message) const;    // "slipway: message" on stderr
  int report(const base::Error& error) const;  // message and hint on stderr; returns the exit code

 private:
  bool colours_allowed() const;

  std::unique_ptr<Transport> transport_;
  std::unique_ptr<HubClient> hub_;
};

// Adds a command with the options that every command has. `examples` is one or more lines shown by --help.
CLI::App& add_command(CLI::App& parent, Invocation& invocation, const std::string& name, const std::string& description,
                      const std::string& examples, std::function<int()> action);
// A command that only holds others.
CLI::App& add_group(CLI::App& parent, const std::string& name, const std::string& description);

// Asks whether to delete `what` ("workspace NAME with …"), on the terminal. Throws NOT_CONFIRMED; VALIDATION_ERROR,
// with `consequence`, where there is no terminal to ask on.
void confirm_delete(const Invocation& invocation, const std::string& what, const std::string& consequence);

// The type names of positionals, by which shell completion knows what to offer.
inline constexpr const char* kWorkspaceName = "WORKSPACE";
inline constexpr const char* kRunName = "RUN";
inline constexpr const char* kScheduleName = "SCHEDULE";
inline constexpr const char* kWebhookName = "WEBHOOK";
inline constexpr const char* kWorkstationId = "WORKSTATION";
inline constexpr const char* kOrganizationId = "ORGANIZATION";
inline constexpr const char* kMessageId = "MESSAGE";
inline constexpr const char* kAlertId = "ALERT";
inline constexpr const char* kTemplateName = "TEMPLATE";
inline constexpr const char* kCopyPath = "PATH or WORKSPACE:PATH";

}  // namespace slipway::app::cli
