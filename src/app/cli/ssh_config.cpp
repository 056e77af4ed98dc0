#include "app/cli/ssh_config.h"

#include <sstream>

namespace slipway::app::cli {

namespace {

constexpr std::string_view kMark =
    "# Added by `slipway ssh-config --install`; `slipway ssh-config --remove` takes it away.";

// In ssh's configuration `%` begins a token.
std::string percent_doubled(std::string_view text) {
  std::string doubled;
  for (const char letter : text) doubled += letter == '%' ? "%%" : std::string(1, letter);
  return doubled;
}

std::string include_line(const std::string& path) { return "Include \"" + path + "\""; }

}  // namespace

std::string shell_quoted(std::string_view word) {
  constexpr std::string_view kPlain = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-./:@=+,";
  if (!word.empty() && word.find_first_not_of(kPlain) == std::string_view::npos) return std::string(word);
  std::string quoted = "'";
  for (const char letter : word) quoted += letter == '\'' ? "'\\''" : std::string(1, letter);
  return quoted + "'";
}

std::string ssh_config_text(const SshConfig& config) {
  std::string hosts;
  for (const std::string& name : config.workspaces) hosts += " " + std::string(kSshHostPrefix) + name;
  if (config.also_others) hosts += " " + std::string(kSshHostPrefix) + "*";
  std::string proxy;
  for (const std::string& word : config.program) proxy += percent_doubled(shell_quoted(word)) + " ";
  std::string text = "# Written by `slipway ssh-config`, which writes it anew: do not edit.\n";
  if (hosts.empty()) return text;
  text += "Host" + hosts + "\n";
  text += "  User " + std::string(kMachineUser) + "\n";
  text += "  ProxyCommand " + proxy + "ssh --stdio %n\n";
  text += "  IdentityFile \"" + percent_doubled(config.identity_file) + "\"\n";
  text += "  IdentitiesOnly yes\n";
  text +=
      "  # The hub vouches for the machine at the other end of the ProxyCommand; a workspace that is made again\n"
      "  # under an old name has another host key.\n";
  text += "  StrictHostKeyChecking no\n  UserKnownHostsFile /dev/null\n  GlobalKnownHostsFile /dev/null\n";
  text += "  LogLevel ERROR\n";
  return text;
}

std::string without_include(const std::string& config, const std::string& include_path) {
  const std::string include = include_line(include_path);
  std::istringstream lines(config);
  std::string kept;
  for (std::string line; std::getline(lines, line);) {
    const bool had_break = !lines.eof();
    if (line == include || line == kMark) continue;
    kept += line + (had_break ? "\n" : "");
  }
  return kept;
}

std::string with_include(const std::string& config, const std::string& include_path) {
  // First: after a `Host` line it would belong to that host alone.
  return std::string(kMark) + "\n" + include_line(include_path) + "\n" + without_include(config, include_path);
}

}  // namespace slipway::app::cli
