// The machine's own sshd for one connection (sshd -i), so that ssh, scp and editors work without a port: its host key
// stays in the home, its configuration and the one key that may log in exist only while the session does.

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <filesystem>

#include "agent/endpoint.h"
#include "base/random.h"

namespace slipway::agent {
namespace {

constexpr std::string_view kServer = "/usr/sbin/sshd";
constexpr std::size_t kMaxDiagnosisBytes = 4096;

// PAM needs root and a whole login stack, which a sandbox has not. StrictModes looks at the owners of directories above
// the home, which in a user namespace are nobody's.
constexpr std::string_view kSettings = R"(UsePAM no
PasswordAuthentication no
KbdInteractiveAuthentication no
PubkeyAuthentication yes
PermitRootLogin prohibit-password
StrictModes no
PidFile none
PrintMotd no
PrintLastLog no
X11Forwarding no
AcceptEnv LANG LC_* TERM COLORTERM GIT_*
LogLevel ERROR
Subsystem sftp internal-sftp
)";

void write_file(const std::string& path, std::string_view content) {
  base::UniqueFd file(::open(path.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW | O_CLOEXEC, 0600));
  if (!file || ::write(file.get(), content.data(), content.size()) != ssize_t(content.size()))
    throw base::system_error("write '" + path + "'", errno);
}

// OpenSSH quotes with double quotes and knows no escape for one.
std::string quoted(const std::string& path) {
  if (path.find_first_of("\"\n") != path.npos) throw base::internal_error("a path that sshd cannot read: " + path);
  return '"' + path + '"';
}

net::Awaitable<void> make_host_key(const Machine& machine, std::string path) {
  // Made under another name, so that an interrupted one is never used and two at the same time do not meet.
  const std::string partial = path + '.' + base::random_token(6);
  ProcessSpec spec{
      .program = "ssh-keygen",
      .arguments = {"ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", "slipway workspace", "-f", partial},
      .environment = machine.environment,
      .directory = machine.home};
  const auto generator = open_process(machine, spec);
  generator->end_input();
  const std::string diagnosis = co_await generator->read(StreamId::error, kMaxDiagnosisBytes);
  const Exit exit = co_await generator->wait();
  if (exit.code != 0) throw base::internal_error("ssh-keygen failed: " + diagnosis);
  ::rename((partial + ".pub").c_str(), (path + ".pub").c_str());
  if (::rename(partial.c_str(), path.c_str()) != 0) throw base::system_error("keep the host key", errno);
}

std::map<std::string, std::string> server_environment(const Machine& machine) {
  auto environment = machine.environment;
  environment["PATH"] += ":/usr/sbin";
  return environment;
}

}  // namespace

net::Awaitable<std::unique_ptr<Endpoint>> open_ssh(const Machine& machine, SshRequest request) {
  if (::access(kServer.data(), X_OK) != 0)
    throw base::Error(base::ErrorClass::user, "SSH_NOT_INSTALLED",
                      "the workspace has no " + std::string(kServer) + ": install openssh-server in it");
  const std::string keys = machine.home + "/.slipway/ssh";
  std::filesystem::create_directories(keys);
  ::chmod(keys.c_str(), 0700);
  const std::string host_key = keys + "/host_ed25519";
  if (::access(host_key.c_str(), R_OK) != 0) co_await make_host_key(machine, host_key);
  // As root, sshd keeps its unprivileged part in here.
  if (::geteuid() == 0) std::filesystem::create_directories("/run/sshd");

  const std::string base = machine.state_directory + "/ssh-" + base::random_token(9);
  const std::string authorized = base + ".keys", configuration = base + ".conf";
  const auto remove = [authorized, configuration] {
    ::unlink(authorized.c_str());
    ::unlink(configuration.c_str());
  };
  try {
    write_file(authorized, request.authorized_key + '\n');
    write_file(configuration, "HostKey " + quoted(host_key) + "\nAuthorizedKeysFile " + quoted(authorized) + '\n' +
                                  std::string(kSettings));
    const ProcessSpec spec{.program = std::string(kServer),
                           .arguments = {std::string(kServer), "-i", "-e", "-f", configuration},
                           .environment = server_environment(machine),
                           .directory = machine.home};
    co_return open_process(machine, spec, {.when_gone = remove});
  } catch (...) {
    remove();
    throw;
  }
}

}  // namespace slipway::agent
