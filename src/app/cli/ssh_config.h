#pragma once
// The text of the ssh configuration that lets plain ssh, scp, sftp and editors in, and its place in ~/.ssh/config.

#include <string>
#include <string_view>
#include <vector>

namespace slipway::app::cli {

// `slipway.hello` is the ssh name of the workspace `hello`.
inline constexpr std::string_view kSshHostPrefix = "slipway.";
// The user inside a machine: docs/sandbox.md.
inline constexpr std::string_view kMachineUser = "dev";

struct SshConfig {
  std::vector<std::string> workspaces;  // names
  bool also_others = false;             // any other slipway.NAME too: workspaces that are made later
  std::vector<std::string> program;     // the program and its options, before `ssh --stdio`
  std::string identity_file;
};
std::string ssh_config_text(const SshConfig& config);

// A user's config with `include_path` included before everything else, exactly once; and without it again. What else
// stands in it is kept as it is.
std::string with_include(const std::string& config, const std::string& include_path);
std::string without_include(const std::string& config, const std::string& include_path);

// One word of a POSIX shell.
std::string shell_quoted(std::string_view word);

}  // namespace slipway::app::cli
