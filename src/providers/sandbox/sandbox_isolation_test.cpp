// What a sandbox sees, what it does not, and what it is held to (HUB-13, HUB-20).

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sched.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <fstream>
#include <sstream>

#include "base/error.h"
#include "providers/sandbox/files.h"
#include "providers/sandbox/testing/sandbox_fixture.h"

namespace slipway::providers::sandbox {
namespace {

namespace fs = std::filesystem;

// A listening socket that is closed when it goes.
struct Listener {
  explicit Listener(const char* address) : fd(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)) {
    sockaddr_in name{};
    name.sin_family = AF_INET;
    ::inet_pton(AF_INET, address, &name.sin_addr);
    socklen_t size = sizeof name;
    if (::bind(fd.get(), reinterpret_cast<sockaddr*>(&name), size) != 0 || ::listen(fd.get(), 8) != 0 ||
        ::getsockname(fd.get(), reinterpret_cast<sockaddr*>(&name), &size) != 0) {
      throw base::system_error("listen", errno);
    }
    port = ntohs(name.sin_port);
  }
  base::UniqueFd fd;
  int port = 0;
};

base::UniqueFd listen_unix(const fs::path& path) {
  ::unlink(path.c_str());
  base::UniqueFd fd(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
  sockaddr_un name{};
  name.sun_family = AF_UNIX;
  path.string().copy(name.sun_path, sizeof name.sun_path - 1);
  EXPECT_EQ(::bind(fd.get(), reinterpret_cast<sockaddr*>(&name), sizeof name), 0);
  EXPECT_EQ(::listen(fd.get(), 8), 0);
  return fd;
}

std::string accept_and_read(const base::UniqueFd& listener) {
  const base::UniqueFd peer(::accept4(listener.get(), nullptr, nullptr, SOCK_CLOEXEC));
  std::string text(64, '\0');
  const auto got = ::recv(peer.get(), text.data(), text.size(), 0);
  text.resize(std::size_t(std::max<ssize_t>(got, 0)));
  return text;
}

// A shell command that says whether a TCP connection can be made.
std::string try_connect(const std::string& address, int port, const std::string& file) {
  return "perl -MIO::Socket::INET -e 'print IO::Socket::INET->new(PeerAddr => \"" + address + ":" +
         std::to_string(port) + "\", Timeout => 5) ? \"open\\n\" : \"closed\\n\"' > " + file + ";";
}

class SandboxIsolationTest : public testing::SandboxTest {
 protected:
  // Makes machine `ws` that runs the script, and waits for it.
  SandboxProvider& run(const std::string& script, Network network = Network::host) {
    auto chosen = options();
    chosen.network = network;
    provider_ = std::make_unique<SandboxProvider>(chosen, clock_);
    provider_->create(spec("ws", script), {});
    await_up("ws");
    return *provider_;
  }
  std::string limit(const std::string& name) { return provider_->status("ws").limits.at(name); }
  std::unique_ptr<SandboxProvider> provider_;
};

TEST_F(SandboxIsolationTest, TheUserIsDevAtHomeOnAHostOfThatName) {  // HUB-13
  run("{ id -un; id -u; id -g; pwd; hostname; echo $HOME; getent passwd dev | cut -d: -f6; } > who");
  EXPECT_EQ(home_file("ws", "who"), "dev\n1000\n1000\n/home/dev\nws\n/home/dev\n/home/dev\n");
}

TEST_F(SandboxIsolationTest, OnlyItsOwnProcessesAreSeen) {  // HUB-20
  run("ls -d /proc/[0-9]* | wc -l > count; tr '\\0' ' ' < /proc/1/cmdline > first; echo >> first");
  EXPECT_LT(std::stoi(home_file("ws", "count")), 8);
  EXPECT_NE(home_file("ws", "first").find("bwrap"), std::string::npos);
}

TEST_F(SandboxIsolationTest, NothingOfTheHostsFilesIsSeenButItsPrograms) {  // HUB-20
  run("{ ls /; } > top; { ls -A /root /home /etc/shadow /etc/ssh/ssh_host_rsa_key /var/lib /srv /mnt " +
      root().string() + "; } > hidden 2>/dev/null; echo >> hidden");
  EXPECT_EQ(home_file("ws", "hidden"), "/home:\ndev\n\n");
  for (const char* name : {"root", "boot", "sys", "srv", "mnt", "media"}) {
    EXPECT_EQ(("\n" + home_file("ws", "top")).find("\n" + std::string(name) + "\n"), std::string::npos) << name;
  }
}

TEST_F(SandboxIsolationTest, TheHostsProgramsAndSettingsCannotBeChanged) {
  run("for f in /usr/x /etc/x /x /dev/x /opt/x /proc/sys/kernel/core_pattern /proc/sys/kernel/hostname "
      "/proc/sys/vm/overcommit_memory /proc/sysrq-trigger /run/slipway/x /opt/slipway/slipway-agent; do "
      "(echo x > $f) 2>/dev/null && echo changed $f; done > changed; echo end >> changed");
  EXPECT_EQ(home_file("ws", "changed"), "end\n");
}

TEST_F(SandboxIsolationTest, NoCapabilityIsLeftAndNoneCanBeHad) {
  run("grep -E '^Cap(Prm|Eff|Bnd|Amb)' /proc/self/status | cut -f2 | sort -u > caps; "
      "cp /bin/bash b; chmod u+s b; grep NoNewPrivs /proc/self/status | cut -f2 > nnp");
  EXPECT_EQ(home_file("ws", "caps"), "0000000000000000\n");
  EXPECT_EQ(home_file("ws", "nnp"), "1\n");
  struct stat home{};
  ASSERT_EQ(::stat(root().c_str(), &home), 0);
  EXPECT_EQ(home.st_mode & 0777, 0700u) << "a set-user-id file in a home must be out of everybody's reach";
}

TEST_F(SandboxIsolationTest, ItsTerminalIsNotTheHostsAndItsInputIsEmpty) {
  run("wc -c > input; (: < /dev/tty) 2>/dev/null && echo tty > tty || echo none > tty", Network::automatic);
  EXPECT_EQ(home_file("ws", "input"), "0\n");
  EXPECT_EQ(home_file("ws", "tty"), "none\n");
}

TEST_F(SandboxIsolationTest, TheTokenIsInAFileInMemoryAndNowhereElse) {  // HUB-13
  run("cat $SLIPWAY_AGENT_TOKEN_FILE > token; echo >> token; stat -c %a /secrets $SLIPWAY_AGENT_TOKEN_FILE > modes; "
      "stat -f -c %T /secrets >> modes; env > env; (dd if=/dev/zero of=/secrets/big bs=1M count=2 2>&1; rm "
      "/secrets/big) | "
      "grep -c 'No space' > full");
  const std::string token = spec("ws").agent_token.reveal();
  EXPECT_EQ(home_file("ws", "token"), token + "\n");
  EXPECT_EQ(home_file("ws", "modes"), "700\n400\ntmpfs\n");
  EXPECT_EQ(home_file("ws", "full"), "1\n");
  EXPECT_EQ(home_file("ws", "env").find(token), std::string::npos);
  for (const pid_t pid : processes()) {
    const auto process = "/proc/" + std::to_string(pid);
    EXPECT_EQ(read_file(process + "/cmdline").find(token), std::string::npos);
    EXPECT_EQ(read_file(process + "/environ").find(token), std::string::npos);
    EXPECT_EQ(read_file(process + "/cmdline").find("TEST_SCRIPT"), std::string::npos) << "the user's words are private";
  }
  for (const auto& entry : fs::directory_iterator(machine("ws").path())) {
    if (entry.is_regular_file()) EXPECT_EQ(read_file(entry.path()).find(token), std::string::npos) << entry.path();
  }
}

TEST_F(SandboxIsolationTest, NothingOfTheHubIsInherited) {
  const base::UniqueFd leaked(::open("/etc/hostname", O_RDONLY));  // on purpose not closed on exec
  run("ls -l /proc/$$/fd > fds");
  EXPECT_EQ(home_file("ws", "fds").find("etc/hostname"), std::string::npos);
  std::istringstream lines(home_file("ws", "fds"));
  for (std::string line; std::getline(lines, line);) {
    const auto arrow = line.find(" -> ");
    if (arrow == std::string::npos) continue;
    const auto target = line.substr(arrow + 4);
    // Its input, the console, the script that the shell reads, and this output; a shell keeps copies of these at higher
    // numbers.
    EXPECT_TRUE(target == "/dev/null" || target.ends_with("/console.log") || target.ends_with("/slipway-agent") ||
                target.ends_with("/agent.sh") || target == "/home/dev/fds")
        << line;
  }
}

TEST_F(SandboxIsolationTest, AHubThatMakesItsSocketAnewIsReachableAgain) {  // HUB-13
  const auto socket = hub_folder() / "hub.sock";
  auto listener = listen_unix(socket);
  const std::string say =
      "perl -MIO::Socket::UNIX -e '$p = $ENV{SLIPWAY_HUB_URL}; $p =~ s/^unix://; "
      "$s = IO::Socket::UNIX->new(Peer => $p) or exit 1; print $s shift' ";
  run(say + "first; (while ! [ -e again ]; do sleep 0.01; done; " + say + "second) & ");
  EXPECT_EQ(accept_and_read(listener), "first");
  listener.reset();
  listener = listen_unix(socket);
  std::ofstream(machine("ws").home() / "again");
  EXPECT_EQ(accept_and_read(listener), "second");
}

TEST_F(SandboxIsolationTest, AMemoryHogIsKilledAndTheMachineGoesOn) {  // HUB-20
  auto& provider = run("perl -e '$x = \"a\" x (300 * 1024 * 1024)'; echo $? > hog");
  if (limit("memory") != "96 MiB") GTEST_SKIP() << "SKIPPED: memory is " << limit("memory");
  EXPECT_EQ(home_file("ws", "hog"), "137\n");
  EXPECT_EQ(provider.status("ws").state, MachineState::running);
}

TEST_F(SandboxIsolationTest, AMachineThatDiesForLackOfMemoryIsReportedSo) {  // HUB-17
  auto& provider = run("(sleep 0.05; :) &");
  if (limit("memory") != "96 MiB") GTEST_SKIP() << "SKIPPED: memory is " << limit("memory");
  provider.create(spec("ws2", "exec perl -e '$x = \"a\" x (300 * 1024 * 1024)'"), {});
  ASSERT_TRUE(testing::eventually([&] { return provider.status("ws2").state == MachineState::failed; }));
  const auto detail = provider.status("ws2").detail;
  EXPECT_NE(detail.find("SIGKILL"), std::string::npos) << detail;
  EXPECT_NE(detail.find("out of memory"), std::string::npos) << detail;
}

TEST_F(SandboxIsolationTest, NoMoreProcessesThanAllowedCanBeMade) {  // HUB-20
  run("perl -e 'for (1 .. 80) { $p = fork; if (!defined $p) { print \"refused\\n\"; last } "
      "if (!$p) { close STDOUT; sleep 1000; exit } } kill 9, -1 if 0' > forks; pkill -9 perl; echo >> forks");
  if (limit("processes") != "40") GTEST_SKIP() << "SKIPPED: processes are " << limit("processes");
  EXPECT_EQ(home_file("ws", "forks"), "refused\n\n");
}

TEST_F(SandboxIsolationTest, TheProcessorIsShared) {
  run(":");
  if (limit("cpu") != "0.5 processors") GTEST_SKIP() << "SKIPPED: cpu is " << limit("cpu");
  std::string found;
  for (const auto& group : machine("ws").launch()->cgroups) {
    found += read_file(group + "/cpu.cfs_quota_us") + read_file(group + "/cpu.max");
  }
  EXPECT_TRUE(found == "50000\n" || found == "50000 100000\n") << found;
}

TEST_F(SandboxIsolationTest, WithoutControlGroupsEveryLimitSaysThatItIsNotHeld) {
  auto chosen = options();
  chosen.limits = false;
  SandboxProvider provider(chosen, clock_);
  provider.create(spec("ws"), {});
  const auto limits = provider.status("ws").limits;
  for (const char* name : {"memory", "processes", "cpu"}) {
    EXPECT_TRUE(limits.at(name).starts_with("not enforced: ")) << limits.at(name);
  }
  EXPECT_TRUE(limits.at("suspend").starts_with("not possible: "));
  EXPECT_THROW(provider.suspend("ws", {}), base::Error);
}

TEST_F(SandboxIsolationTest, AnOwnNetworkDoesNotReachTheHostsLoopback) {
  if (const auto why = why_not_isolated(); !why.empty()) GTEST_SKIP() << "SKIPPED: " << why;
  const Listener listener("127.0.0.1");
  run(try_connect("127.0.0.1", listener.port, "local") + try_connect("10.0.2.2", listener.port, "gateway") +
          "grep -c tap0 /proc/net/dev > tap; cat /etc/resolv.conf > dns",
      Network::isolated);
  EXPECT_EQ(home_file("ws", "local"), "closed\n");
  EXPECT_EQ(home_file("ws", "gateway"), "closed\n");
  EXPECT_EQ(home_file("ws", "tap"), "1\n");
  EXPECT_EQ(home_file("ws", "dns"), "nameserver 10.0.2.3\n");
  EXPECT_NE(limit("network").find("not reachable"), std::string::npos);
}

TEST_F(SandboxIsolationTest, AnOwnNetworkReachesTheOutsideAndEndsWithTheMachine) {
  if (const auto why = why_not_isolated(); !why.empty()) GTEST_SKIP() << "SKIPPED: " << why;
  if (!is_root()) GTEST_SKIP() << "SKIPPED: only root can make the outside";
  // An outside of our own, without a way further out.
  const base::UniqueFd before(::open("/proc/self/ns/net", O_RDONLY | O_CLOEXEC));
  ASSERT_EQ(::unshare(CLONE_NEWNET), 0);
  Command command;
  for (const auto& words : {std::vector<std::string>{"link", "set", "lo", "up"},
                            std::vector<std::string>{"addr", "add", "192.0.2.1/32", "dev", "lo"}}) {
    command.argv = {find_program("ip")};
    command.argv.insert(command.argv.end(), words.begin(), words.end());
    ASSERT_EQ(sandbox::run(command, std::chrono::seconds(10)).exit_code, 0);
  }
  const Listener outside("192.0.2.1");
  run(try_connect("192.0.2.1", outside.port, "reached"), Network::isolated);
  EXPECT_EQ(home_file("ws", "reached"), "open\n");
  ASSERT_EQ(::setns(before.get(), CLONE_NEWNET), 0);

  send_signal(open_process(machine("ws").launch()->monitor), SIGKILL);
  EXPECT_TRUE(testing::eventually([&] { return processes().empty(); })) << "slirp4netns lives on";
}

TEST_F(SandboxIsolationTest, WithoutANetworkThereIsOnlyTheOwnLoopback) {
  run("grep -c : /proc/net/dev > devices", Network::none);
  EXPECT_EQ(home_file("ws", "devices"), "1\n");
}

TEST_F(SandboxIsolationTest, AnOrdinaryUserMakesSandboxesToo) {
  as_ordinary_user([&] {
    auto chosen = options();
    chosen.network = Network::automatic;
    SandboxProvider provider(chosen, clock_);
    provider.create(spec("ws", "id -un > who; chmod -R a-w . ; chmod u+w ."), {});
    EXPECT_EQ(home_file("ws", "who"), "dev\n");
    await_up("ws");
    EXPECT_EQ(sandboxes("ws").size(), 1u);
    const auto status = provider.status("ws");
    EXPECT_EQ(status.state, MachineState::running);
    for (const auto& [limit, text] : status.limits) EXPECT_FALSE(text.empty()) << limit;
    EXPECT_EQ(status.limits.at("network").starts_with("its own"), why_not_isolated().empty())
        << status.limits.at("network");
    provider.create(spec("ws"), {});
    EXPECT_EQ(sandboxes("ws").size(), 1u);
    provider.stop("ws", {});
    EXPECT_EQ(provider.status("ws").state, MachineState::stopped);
    EXPECT_TRUE(sandboxes("ws").empty());
    provider.start(spec("ws"), {});
    provider.destroy("ws", {});
    EXPECT_FALSE(machine("ws").exists());
    EXPECT_TRUE(testing::eventually([&] { return processes().empty(); }));
  });
}

}  // namespace
}  // namespace slipway::providers::sandbox
