#include "providers/sandbox/bwrap.h"

#include <unistd.h>

#include <algorithm>
#include <system_error>

#include "providers/sandbox/files.h"

namespace slipway::providers::sandbox {
namespace {

namespace fs = std::filesystem;
constexpr std::int64_t kMiB = 1024 * 1024;
constexpr std::int64_t kSecretsBytes = 1 * kMiB;
constexpr std::int64_t kRunBytes = 64 * kMiB;

class Builder {
 public:
  template <class... Words>
  Builder& add(const Words&... words) {
    (append(words), ...);
    return *this;
  }
  // A file that exists only inside.
  Builder& file(const std::string& path, std::string_view content, const char* mode = "0644") {
    result_.files.push_back(memory_file("slipway-file", content));
    return add("--perms", mode, "--file", result_.command.pass(result_.files.back().get()), path);
  }
  Builder& descriptor(const char* option, int fd) { return add(option, result_.command.pass(fd)); }
  Builder& tmpfs(const char* path, const char* mode, std::int64_t bytes) {
    return add("--perms", mode, "--size", bytes, "--tmpfs", path);
  }
  BwrapCommand finish(const std::string& program) && {
    result_.files.push_back(memory_file("slipway-arguments", words_));
    const int arguments = result_.command.pass(result_.files.back().get());
    result_.command.argv = {program, "--args", std::to_string(arguments), "--", kAgentInside, "run"};
    return std::move(result_);
  }

 private:
  void append(std::string_view word) { words_.append(word).push_back('\0'); }
  template <class Number>
    requires std::is_integral_v<Number>
  void append(Number number) {
    append(std::to_string(number));
  }

  std::string words_;
  BwrapCommand result_;
};

void add_namespaces(Builder& builder, const BwrapInput& input, const std::string& name) {
  builder.add("--unshare-user", "--unshare-pid", "--unshare-ipc", "--unshare-uts", "--unshare-cgroup-try");
  if (input.network != Network::host) builder.add("--unshare-net");
  builder.add("--uid", kUserId, "--gid", kUserId, "--hostname", name);
  // Its parent is the init process of the host (DetachedProcess): with it, or with the outer bwrap, all of it dies.
  builder.add("--die-with-parent", "--new-session", "--cap-drop", "ALL");
}

// The host's programs, read-only. /opt entry by entry, because our own folder must be made in it.
void add_programs(Builder& builder, const BwrapInput& input) {
  builder.add("--ro-bind", "/usr", "/usr");
  for (const char* name : {"bin", "sbin", "lib", "lib32", "lib64", "libx32"}) {
    std::error_code error;
    const auto target = fs::read_symlink(fs::path("/") / name, error);
    if (!error)
      builder.add("--symlink", target.string(), std::string("/") + name);
    else
      builder.add("--ro-bind-try", std::string("/") + name, std::string("/") + name);
  }
  builder.add("--dir", "/opt");
  std::error_code error;
  for (fs::directory_iterator entry("/opt", error), end; !error && entry != end; entry.increment(error)) {
    const auto path = entry->path().string();
    if (path != "/opt/slipway") builder.add("--ro-bind-try", path, path);
  }
  builder.add("--dir", "/opt/slipway", "--ro-bind", input.agent_binary.string(), kAgentInside);
}

// Of the host's /etc only what programs need and what holds nothing of the host's own: no passwords, keys, host names.
void add_host_settings(Builder& builder, const BwrapInput& input) {
  for (const char* path : {"/etc/alternatives",
                           "/etc/bash.bashrc",
                           "/etc/bash_completion.d",
                           "/etc/ca-certificates",
                           "/etc/ca-certificates.conf",
                           "/etc/debian_version",
                           "/etc/emacs",
                           "/etc/inputrc",
                           "/etc/java-17-openjdk",
                           "/etc/ld.so.cache",
                           "/etc/ld.so.conf",
                           "/etc/ld.so.conf.d",
                           "/etc/locale.alias",
                           "/etc/localtime",
                           "/etc/magic",
                           "/etc/mime.types",
                           "/etc/nanorc",
                           "/etc/networks",
                           "/etc/perl",
                           "/etc/profile",
                           "/etc/profile.d",
                           "/etc/protocols",
                           "/etc/python3",
                           "/etc/python3.11",
                           "/etc/rpc",
                           "/etc/services",
                           "/etc/shells",
                           "/etc/ssl/certs",
                           "/etc/ssl/openssl.cnf",
                           "/etc/ssh/ssh_config",
                           "/etc/terminfo",
                           "/etc/timezone",
                           "/etc/vim",
                           "/etc/wgetrc"}) {
    builder.add("--ro-bind-try", path, path);
  }
  builder.add("--symlink", "../usr/lib/os-release", "/etc/os-release");
  if (input.network == Network::host) builder.add("--ro-bind-try", "/etc/resolv.conf", "/etc/resolv.conf");
}

void add_own_settings(Builder& builder, const BwrapInput& input, const std::string& name) {
  const auto id = std::to_string(kUserId);
  builder.file("/etc/passwd",
               "root:x:0:0:root:/root:/usr/sbin/nologin\n"
               "dev:x:" +
                   id + ":" + id +
                   ":dev:/home/dev:/bin/bash\n"
                   "sshd:x:100:65534::/run/sshd:/usr/sbin/nologin\n"
                   "nobody:x:65534:65534:nobody:/nonexistent:/usr/sbin/nologin\n");
  builder.file("/etc/group", "root:x:0:\ntty:x:5:\ndev:x:" + id + ":\nnogroup:x:65534:\n");
  builder.file("/etc/hostname", name + "\n");
  builder.file("/etc/hosts", "127.0.0.1 localhost " + name + "\n::1 localhost ip6-localhost ip6-loopback\n");
  builder.file("/etc/nsswitch.conf",
               "passwd: files\ngroup: files\nshadow: files\nhosts: files dns\nnetworks: files\nprotocols: files\n"
               "services: files\nethers: files\nrpc: files\n");
  if (input.network == Network::isolated) {
    builder.file("/etc/resolv.conf", std::string("nameserver ") + kIsolatedNameserver + "\n");
  } else if (input.network == Network::none) {
    builder.file("/etc/resolv.conf", "# this sandbox has no network\n");
  }
}

// Settings of the kernel that its owner outside could read or change from inside, for at these the kernel asks only for
// the user id and not for capabilities. An ordinary user owns none of them, and is left an unmasked /proc, without
// which the kernel allows no containers inside.
void add_proc(Builder& builder) {
  builder.add("--proc", "/proc");
  if (::geteuid() != 0) return;
  for (const char* path : {"/proc/sys", "/proc/sysrq-trigger", "/proc/irq", "/proc/bus", "/proc/fs", "/proc/mtrr",
                           "/proc/latency_stats"}) {
    builder.add("--ro-bind-try", path, path);
  }
  for (const char* path : {"/proc/acpi", "/proc/scsi", "/proc/asound", "/proc/driver"}) {
    if (::access(path, F_OK) == 0)
      builder.add("--perms", "0555", "--size", 4096, "--tmpfs", path, "--remount-ro", path);
  }
  for (const char* path : {"/proc/kcore", "/proc/keys", "/proc/key-users", "/proc/timer_list", "/proc/sched_debug",
                           "/proc/kpagecount", "/proc/kpageflags", "/proc/kpagecgroup", "/proc/slabinfo",
                           "/proc/kallsyms", "/proc/vmallocinfo", "/proc/iomem", "/proc/ioports", "/proc/kmsg"}) {
    if (::access(path, F_OK) == 0) builder.add("--ro-bind", "/dev/null", path);
  }
}

void add_folders(Builder& builder, const BwrapInput& input, const MachineType& type) {
  const auto scratch = std::max<std::int64_t>(type.memory_mb / 2, 16) * kMiB;
  builder.add("--dev", "/dev");
  builder.tmpfs("/dev/shm", "1777", scratch).add("--remount-ro", "/dev");
  builder.tmpfs("/tmp", "1777", scratch);
  builder.tmpfs("/run", "0755", kRunBytes).add("--perms", "0700", "--dir", "/run/slipway-agent");
  builder.add("--perms", "0755", "--dir", "/run/sshd", "--perms", "0755", "--dir", "/var");
  builder.tmpfs("/var/tmp", "1777", scratch).add("--symlink", "/run", "/var/run");
  builder.tmpfs("/secrets", "0700", kSecretsBytes);
  builder.add("--perms", "0755", "--dir", "/home", "--bind", input.home.string(), kHomeInside, "--chdir", kHomeInside);
}

// Returns the address as it is seen from inside.
std::string add_hub(Builder& builder, const std::string& hub_url) {
  constexpr std::string_view kUnix = "unix:";
  if (!hub_url.starts_with(kUnix)) return hub_url;
  const fs::path socket(hub_url.substr(kUnix.size()));
  // The folder and not the socket: a hub that starts again makes a new socket, which must be seen.
  builder.add("--ro-bind", socket.parent_path().string(), kHubFolderInside);
  return std::string(kUnix) + kHubFolderInside + "/" + socket.filename().string();
}

void add_environment(Builder& builder, const MachineSpec& spec, const std::string& hub_url) {
  const auto set = [&](const std::string& name, const std::string& value) { builder.add("--setenv", name, value); };
  builder.add("--clearenv");
  set("PATH", "/usr/local/bin:/usr/bin:/bin:/usr/local/sbin:/usr/sbin:/sbin");
  set("HOME", kHomeInside);
  set("USER", kUser);
  set("LOGNAME", kUser);
  set("SHELL", "/bin/bash");
  set("LANG", "C.UTF-8");
  for (const auto& [name, value] : spec.environment) set(name, value);
  set("SLIPWAY_WORKSPACE", spec.name);
  set("SLIPWAY_HUB_URL", hub_url);
  set("SLIPWAY_AGENT_TOKEN_FILE", kTokenInside);
  set("SLIPWAY_STATE_DIR", "/run/slipway-agent");
  set("SLIPWAY_HOME", kHomeInside);
}

}  // namespace

BwrapCommand bwrap_command(const BwrapInput& input, const MachineSpec& spec, const MachineType& type,
                           const BwrapDescriptors& descriptors) {
  Builder builder;
  add_namespaces(builder, input, spec.name);
  add_programs(builder, input);
  builder.add("--perms", "0755", "--dir", "/etc");
  add_host_settings(builder, input);
  add_own_settings(builder, input, spec.name);
  add_proc(builder);
  add_folders(builder, input, type);
  const auto hub_url = add_hub(builder, spec.hub_url);
  if (!spec.agent_token.empty()) builder.file(kTokenInside, spec.agent_token.reveal(), "0400");
  builder.add("--remount-ro", "/");
  add_environment(builder, spec, hub_url);
  builder.descriptor("--sync-fd", descriptors.life_lock);
  builder.descriptor("--block-fd", descriptors.gate);
  builder.descriptor("--json-status-fd", descriptors.status);
  builder.descriptor("--info-fd", descriptors.info);
  return std::move(builder).finish(input.program);
}

}  // namespace slipway::providers::sandbox
