// slipway-agent: the program inside a workspace. Static, without configuration files: flags and environment.

#include <fcntl.h>
#include <netdb.h>
#include <signal.h>
#include <sys/prctl.h>
#include <unistd.h>

#include <array>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/signal_set.hpp>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <fstream>

#include "agent/agent.h"

// Part of glibc, declared in no public header.
extern "C" int __nss_configure_lookup(const char* database, const char* services);

namespace slipway::agent {
namespace {

constexpr std::string_view kVersion = SLIPWAY_VERSION;
constexpr int kUsageError = 64;  // EX_USAGE

constexpr std::string_view kHelp = R"(slipway-agent: connects a workspace with its Slipway hub

usage: slipway-agent run [options]
       slipway-agent --help | --version

  --hub-url URL        SLIPWAY_HUB_URL           unix:/path/to.sock, ws://host:port or wss://host (or http, https)
  --token-file FILE    SLIPWAY_AGENT_TOKEN_FILE  the one-time token
  --state-dir DIR      SLIPWAY_STATE_DIR         for the agent's credential; memory-backed (default: /run/slipway-agent)
  --home DIR           SLIPWAY_HOME              where programs start (default: HOME, else the account's)

It calls the hub until it is ended with SIGTERM, which ends the sessions' programs, too.
)";

struct Settings {
  std::string hub_url, token_file, state_directory, home;
};

struct Option {
  const char* flag;
  const char* variable;
  std::string Settings::* member;
};
constexpr std::array kOptions = {Option{"--hub-url", "SLIPWAY_HUB_URL", &Settings::hub_url},
                                 Option{"--token-file", "SLIPWAY_AGENT_TOKEN_FILE", &Settings::token_file},
                                 Option{"--state-dir", "SLIPWAY_STATE_DIR", &Settings::state_directory},
                                 Option{"--home", "SLIPWAY_HOME", &Settings::home}};

void log_line(std::string_view line) {
  const std::string text =
      base::format_rfc3339(base::SystemClock().now()) + " slipway-agent: " + std::string(line) + '\n';
  // A log that cannot be written must not stop the agent.
  (void)!::write(STDERR_FILENO, text.data(), text.size());
}

Settings read_settings(int count, char** arguments) {
  Settings settings{.state_directory = "/run/slipway-agent"};
  for (const auto& option : kOptions)
    if (const char* value = std::getenv(option.variable)) settings.*option.member = value;
  for (int i = 2; i < count; ++i) {
    const std::string_view flag = arguments[i];
    const auto* found = std::ranges::find_if(kOptions, [&](const auto& option) { return flag == option.flag; });
    if (found == kOptions.end()) throw base::validation_error(flag, "is not a known option");
    if (++i == count) throw base::validation_error(flag, "needs a value");
    settings.*found->member = arguments[i];
  }
  if (settings.hub_url.empty()) throw base::validation_error("--hub-url", "is required, or SLIPWAY_HUB_URL");
  return settings;
}

struct Account {
  std::string user, home, shell;
};

// Read by hand: the library's way may load shared objects, which a static program must not count on.
Account read_account(uid_t uid) {
  std::ifstream file("/etc/passwd");
  for (std::string line; std::getline(file, line);) {
    std::vector<std::string> fields(1);
    for (const char c : line) {
      if (c == ':')
        fields.emplace_back();
      else
        fields.back() += c;
    }
    if (fields.size() >= 7 && fields[2] == std::to_string(uid)) return {fields[0], fields[5], fields[6]};
  }
  return {.user = std::to_string(uid), .home = "/"};
}

std::string pick_shell(const Account& account) {
  for (const std::string& shell : {account.shell, std::string("/bin/bash")})
    if (!shell.empty() && ::access(shell.c_str(), X_OK) == 0) return shell;
  return "/bin/sh";
}

// What programs inherit: the agent's own environment without what is only the agent's business.
std::map<std::string, std::string> program_environment(const Account& account, const std::string& home,
                                                       const std::string& shell) {
  std::map<std::string, std::string> environment;
  for (char** entry = environ; *entry != nullptr; ++entry) {
    const std::string_view text = *entry;
    if (const auto equals = text.find('='); equals != text.npos && equals > 0)
      environment.emplace(text.substr(0, equals), text.substr(equals + 1));
  }
  for (const auto& option : kOptions) environment.erase(option.variable);
  environment.try_emplace("PATH", "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin");
  environment.try_emplace("LANG", "C.UTF-8");
  environment["HOME"] = home;
  environment["SHELL"] = shell;
  environment["USER"] = environment["LOGNAME"] = account.user;
  return environment;
}

// Programs get pipes as 0, 1 and 2: these numbers must not be free for anything else.
void occupy_standard_descriptors() {
  for (int fd; (fd = ::open("/dev/null", O_RDWR)) >= 0;)
    if (fd > STDERR_FILENO) {
      ::close(fd);
      return;
    }
}

int run(const Settings& settings) {
  occupy_standard_descriptors();
  ::signal(SIGPIPE, SIG_IGN);                    // a program that does not read its input is no reason to end
  __nss_configure_lookup("hosts", "files dns");  // both are built in; others would have to be loaded
  ::prctl(PR_SET_CHILD_SUBREAPER, 1);            // what outlives its session is reaped by us, not left a zombie

  const Account account = read_account(::geteuid());
  const char* home_variable = std::getenv("HOME");
  const std::string home = !settings.home.empty() ? settings.home : home_variable ? home_variable : account.home;
  const std::string shell = pick_shell(account);
  std::filesystem::create_directories(settings.state_directory);
  std::filesystem::permissions(settings.state_directory, std::filesystem::perms::owner_all);

  net::IoContext io(1);
  ChildReaper reaper(io, Orphans::reaped);
  base::SystemRandom random;
  const Machine machine{.io = io,
                        .reaper = reaper,
                        .home = home,
                        .state_directory = settings.state_directory,
                        .user = account.user,
                        .shell = shell,
                        .environment = program_environment(account, home, shell)};
  Agent agent(machine, random,
              {.hub_url = settings.hub_url,
               .token_file = settings.token_file,
               .state_directory = settings.state_directory,
               .version = std::string(kVersion)},
              log_line);

  boost::asio::basic_signal_set<net::Executor> ends(io.get_executor(), SIGTERM, SIGINT);
  ends.async_wait([&](const boost::system::error_code& failure, int) {
    if (failure) return;
    log_line("ending");
    agent.stop();
  });
  std::exception_ptr failure;
  boost::asio::co_spawn(io, agent.run(), [&](std::exception_ptr thrown) {
    failure = thrown;
    io.stop();
  });
  io.run();
  if (failure) std::rethrow_exception(failure);
  return EXIT_SUCCESS;
}

int main_with(int count, char** arguments) {
  const std::string_view command = count > 1 ? arguments[1] : "";
  if (command == "--help" || command == "-h" || command == "help") {
    std::fwrite(kHelp.data(), 1, kHelp.size(), stdout);
    return EXIT_SUCCESS;
  }
  if (command == "--version") {
    std::printf("slipway-agent %s\n", kVersion.data());
    return EXIT_SUCCESS;
  }
  if (command != "run") {
    std::fwrite(kHelp.data(), 1, kHelp.size(), stderr);
    return kUsageError;
  }
  try {
    return run(read_settings(count, arguments));
  } catch (const std::exception& error) {
    log_line(error.what());
    return EXIT_FAILURE;
  }
}

}  // namespace
}  // namespace slipway::agent

int main(int count, char** arguments) { return slipway::agent::main_with(count, arguments); }
