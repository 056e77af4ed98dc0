#include "providers/sandbox/network.h"

#include <fcntl.h>
#include <linux/nsfs.h>
#include <poll.h>
#include <signal.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <cerrno>

#include "base/error.h"
#include "providers/sandbox/files.h"

namespace slipway::providers::sandbox {
namespace {

constexpr auto kReadyTimeout = std::chrono::seconds(10);  // it takes some 20 ms; more on a machine that swaps
constexpr const char* kProgram = "slirp4netns";

base::Error unavailable(std::string reason) {
  return base::Error(base::ErrorClass::internal, "NETWORK_UNAVAILABLE",
                     "a sandbox cannot have a network of its own: " + std::move(reason));
}

}  // namespace

std::string why_not_isolated() {
  if (find_program(kProgram).empty()) return "slirp4netns is not installed (apt-get install slirp4netns)";
  if (::access("/dev/net/tun", R_OK | W_OK) != 0) {
    return errno == ENOENT ? "this host has no /dev/net/tun" : "this user may not open /dev/net/tun";
  }
  return {};
}

NetworkPlan plan_network(Network wanted, const std::string& why_not) {
  switch (wanted) {
    case Network::none:
      return {Network::none, "none: loopback only"};
    case Network::host:
      return {Network::host, "shared with the host, as configured"};
    case Network::isolated:
      if (!why_not.empty()) throw unavailable(why_not);
      break;
    case Network::automatic:
      if (!why_not.empty()) return {Network::host, "not isolated, shared with the host: " + why_not};
      break;
  }
  return {Network::isolated, "its own, with outgoing connections; the host's loopback is not reachable"};
}

void start_slirp(const MachineFolder& folder, const ProcessId& init, const base::UniqueFd& lifeline,
                 const MachineCgroups& cgroups) {
  const auto netns = open_file("/proc/" + std::to_string(init.pid) + "/ns/net", O_RDONLY);
  // bwrap moves on to a nested user namespace, but the network belongs to the first one.
  const base::UniqueFd userns(::ioctl(netns.get(), NS_GET_USERNS));
  if (!userns) throw base::system_error("find the owner of the sandbox's network", errno);
  Pipe ready;
  const auto log = folder.open_network_log();
  const auto groups = cgroups.open_for_joining();

  Command command;
  command.stdout_fd = command.stderr_fd = log.get();
  for (const auto& group : groups) command.cgroups.push_back(group.get());
  const auto path = [&](const base::UniqueFd& fd) { return "/proc/self/fd/" + std::to_string(command.pass(fd.get())); };
  command.argv = {find_program(kProgram),
                  "--configure",
                  "--mtu=65520",
                  "--disable-host-loopback",
                  "--exit-fd=" + std::to_string(command.pass(lifeline.get())),
                  "--ready-fd=" + std::to_string(command.pass(ready.write.get())),
                  "--enable-seccomp",
                  "--netns-type=path"};
  // As root we have every right over the sandbox's namespaces, and slirp4netns gives all of it away. An ordinary user
  // has rights only from within the user namespace, whose single id does not suffice for slirp4netns's own sandbox.
  command.argv.push_back(::geteuid() == 0 ? "--enable-sandbox" : "--userns-path=" + path(userns));
  command.argv.push_back(path(netns));
  command.argv.emplace_back("tap0");
  if (command.argv.front().empty()) throw unavailable("slirp4netns is not installed (apt-get install slirp4netns)");

  DetachedProcess process(command);
  process.release();
  ready.write.reset();
  pollfd wait{ready.read.get(), POLLIN, 0};
  const bool answered =
      ::poll(&wait, 1, int(std::chrono::duration_cast<std::chrono::milliseconds>(kReadyTimeout).count())) > 0;
  char byte = 0;
  if (answered && ::read(ready.read.get(), &byte, 1) == 1) return;
  send_signal(process.pidfd(), SIGKILL);
  throw unavailable("slirp4netns failed: " + folder.network_log_tail());
}

}  // namespace slipway::providers::sandbox
