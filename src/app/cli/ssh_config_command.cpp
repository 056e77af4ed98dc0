// ssh-config: print or install what plain ssh needs; and the key pair that it uses.

#include <fcntl.h>
#include <spawn.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <CLI/CLI.hpp>
#include <fstream>
#include <ostream>
#include <sstream>

#include "app/cli/commands.h"
#include "app/cli/ssh_config.h"
#include "app/cli/ssh_key.h"
#include "base/unique_fd.h"

namespace slipway::app::cli {

namespace {

namespace fs = std::filesystem;

struct Options {
  std::vector<std::string> workspaces;
  bool install = false, remove = false;
};

fs::path home_dir(const Invocation& invocation) {
  const auto home = invocation.world.environment("HOME");
  if (!home || home->empty()) throw base::validation_error("HOME", "is not set, so there is no ~/.ssh/config");
  return *home;
}

std::string read_file(const fs::path& path) {
  std::ifstream stream(path, std::ios::binary);
  std::ostringstream text;
  if (stream) text << stream.rdbuf();
  return std::move(text).str();
}

// All or nothing, as the file of its owner alone. A link is followed: it may lead to a folder that is kept in git.
void write_file(fs::path path, const std::string& text) {
  if (fs::is_symlink(path)) path = fs::weakly_canonical(path);
  const std::string fresh = path.string() + ".slipway-new";
  base::UniqueFd file(::open(fresh.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600));
  if (!file) throw base::system_error("cannot write " + fresh, errno);
  for (std::size_t written = 0; written < text.size();) {
    const ssize_t count = ::write(file.get(), text.data() + written, text.size() - written);
    if (count < 0 && errno == EINTR) continue;
    if (count < 0) throw base::system_error("cannot write " + fresh, errno);
    written += std::size_t(count);
  }
  struct stat facts{};
  if (::stat(path.c_str(), &facts) == 0) ::fchmod(file.get(), facts.st_mode & 07777);
  if (::fsync(file.get()) != 0) throw base::system_error("cannot write " + fresh, errno);
  if (::rename(fresh.c_str(), path.c_str()) != 0) throw base::system_error("cannot replace " + path.string(), errno);
}

SshConfig describe_config(Invocation& invocation, const Options& options) {
  HubClient& hub = invocation.hub();
  SshConfig config;
  config.also_others = options.workspaces.empty();
  if (config.also_others) {
    for (const json::Value& workspace : hub.list("/v1/workspaces"))
      config.workspaces.emplace_back(workspace.at("name").as_string());
  } else {
    for (const std::string& name : options.workspaces) {
      hub.resolve_workspace(name);  // a misspelt name is told now, not by ssh later
      config.workspaces.push_back(name);
    }
  }
  // ssh runs this from anywhere, so the data folder must be named. A key never goes into a config: with --url or
  // SLIPWAY_URL, SLIPWAY_KEY has to be set where ssh runs.
  config.program = {invocation.world.program.string()};
  const HubAddress& address = hub.address();
  if (address.data_dir)
    config.program.insert(config.program.end(), {"--data", address.data_dir->string()});
  else
    config.program.insert(config.program.end(), {"--url", address.url});
  config.identity_file = ensure_ssh_key(invocation.world.environment).string();
  return config;
}

int install(Invocation& invocation, const Options& options) {
  const fs::path ssh_dir = home_dir(invocation) / ".ssh";
  const fs::path own = *config_dir(invocation.world.environment) / "ssh_config";
  const std::string text = ssh_config_text(describe_config(invocation, options));
  write_file(own, text);
  if (!fs::exists(ssh_dir)) {
    fs::create_directories(ssh_dir);
    fs::permissions(ssh_dir, fs::perms::owner_all);
  }
  const std::string before = read_file(ssh_dir / "config");
  const std::string after = with_include(before, own.string());
  if (after != before) write_file(ssh_dir / "config", after);
  invocation.world.out << "Installed in " << (ssh_dir / "config").string() << ". Try: ssh " << kSshHostPrefix
                       << (options.workspaces.empty() ? "NAME" : options.workspaces.front()) << '\n';
  return kOk;
}

int remove(Invocation& invocation) {
  const fs::path config = home_dir(invocation) / ".ssh" / "config";
  const fs::path own = *config_dir(invocation.world.environment) / "ssh_config";
  const std::string before = read_file(config);
  const std::string after = without_include(before, own.string());
  if (after != before) write_file(config, after);
  std::error_code failure;
  fs::remove(own, failure);
  if (failure) throw base::system_error("cannot remove " + own.string(), failure.value());
  invocation.world.out << "Removed from " << config.string() << ".\n";
  return kOk;
}

}  // namespace

void add_ssh_config_command(CLI::App& app, Invocation& invocation) {
  auto options = std::make_shared<Options>();
  CLI::App& command = add_command(
      app, invocation, "ssh-config", "Let plain ssh, scp, sftp and editors in: print or install their configuration",
      "  slipway ssh-config --install     # then: ssh slipway.hello, scp file slipway.hello:, VS Code Remote\n"
      "  slipway ssh-config hello >> ~/.ssh/config\n  slipway ssh-config --remove",
      [&invocation, options] {
        if (options->remove) return remove(invocation);
        if (options->install) return install(invocation, *options);
        invocation.world.out << ssh_config_text(describe_config(invocation, *options));
        return int(kOk);
      });
  command.add_option("workspaces", options->workspaces, "only these; all, and those made later, if none is named")
      ->type_name(kWorkspaceName);
  auto* install_flag = command.add_flag("--install", options->install, "include it in ~/.ssh/config; can be repeated");
  command.add_flag("--remove", options->remove, "take it out again")->excludes(install_flag);
}

}  // namespace slipway::app::cli
