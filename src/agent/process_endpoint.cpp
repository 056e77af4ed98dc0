// Programs as endpoints: exec and terminal sessions, and what ssh and files run.

#include <signal.h>
#include <unistd.h>

#include <boost/asio/posix/stream_descriptor.hpp>
#include <boost/asio/write.hpp>

#include "agent/endpoint.h"

namespace slipway::agent {
namespace {

using Descriptor = boost::asio::posix::basic_stream_descriptor<net::Executor>;

// What a user who types it sends to end the input of a program on a terminal.
constexpr std::string_view kEndOfTransmission = "\x04";

class ProcessEndpoint final : public Endpoint {
 public:
  ProcessEndpoint(const Machine& machine, Process process, bool on_terminal, ProcessExtras extras)
      : on_terminal_(on_terminal),
        extras_(std::move(extras)),
        pid_(process.pid),
        input_(machine.io, process.input.release()),
        output_(machine.io, process.output.release()),
        error_(machine.io),
        exited_(std::make_shared<Exited>(machine.io)) {
    if (process.error) error_.assign(process.error.release());
    machine.reaper.watch(pid_, [exited = exited_](int status) {
      exited->status = status;
      exited->signal.notify_all();
    });
  }

  ~ProcessEndpoint() override {
    if (!exited_->status) ::kill(-pid_, SIGKILL);
    if (extras_.when_gone) extras_.when_gone();
  }

  net::Awaitable<std::string> read(StreamId stream, std::size_t limit) override {
    Descriptor& descriptor = stream == StreamId::output ? output_ : error_;
    if (!descriptor.is_open()) co_return "";
    std::string bytes(limit, '\0');
    // A terminal's end is an I/O error: nobody has its other side open.
    const auto [failure, count] = co_await descriptor.async_read_some(boost::asio::buffer(bytes), net::use_result);
    bytes.resize(failure ? 0 : count);
    co_return bytes;
  }

  net::Awaitable<bool> write(std::string bytes) override {
    if (!input_.is_open()) co_return false;
    const auto [failure, count] =
        co_await boost::asio::async_write(input_, boost::asio::buffer(bytes), net::use_result);
    if (failure) close(input_);
    co_return !failure;
  }

  void end_input() override {
    if (on_terminal_)
      // A terminal whose buffer is full has a reader to wake and more to read: the end can be left out.
      (void)!::write(input_.native_handle(), kEndOfTransmission.data(), kEndOfTransmission.size());
    else
      close(input_);
  }

  net::Awaitable<Exit> wait() override {
    while (!exited_->status) co_await exited_->signal.wait();
    // Whoever still writes would wait for a reader that is not there.
    if (!on_terminal_) close(input_);
    co_return exit_of_status(*exited_->status);
  }

  void resize(const TerminalSize& size) override {
    if (on_terminal_) resize_terminal(input_.native_handle(), size);
  }

  void signal(int number) override {
    if (exited_->status) return;
    const pid_t foreground = on_terminal_ ? ::tcgetpgrp(input_.native_handle()) : -1;
    ::kill(foreground > 0 ? -foreground : -pid_, number);
  }

  void hang_up() override {
    if (exited_->status) return;
    ::kill(-pid_, SIGHUP);
    ::kill(-pid_, SIGCONT);  // what is stopped would not hear it
  }

  void kill() override {
    if (!exited_->status) ::kill(-pid_, SIGKILL);
    close(input_);
    abandon_output();
  }

  void abandon_output() override {
    close(output_);
    close(error_);
  }

  std::optional<FileFacts> file_facts() const override { return extras_.facts; }

 private:
  // Outlives the endpoint in the reaper's list.
  struct Exited {
    explicit Exited(net::IoContext& io) : signal(io) {}
    std::optional<int> status;
    net::Signal signal;
  };

  static void close(Descriptor& descriptor) {
    boost::system::error_code ignored;
    descriptor.close(ignored);
  }

  bool on_terminal_;
  ProcessExtras extras_;
  pid_t pid_;
  Descriptor input_, output_, error_;
  std::shared_ptr<Exited> exited_;
};

std::string directory_of(const Machine& machine, const CommandRequest& request) {
  if (!request.directory || request.directory->empty()) return machine.home;
  return request.directory->starts_with('/') ? *request.directory : machine.home + '/' + *request.directory;
}

}  // namespace

std::unique_ptr<Endpoint> open_process(const Machine& machine, const ProcessSpec& spec, ProcessExtras extras) {
  return std::make_unique<ProcessEndpoint>(machine, spawn(spec), spec.terminal.has_value(), std::move(extras));
}

std::unique_ptr<Endpoint> open_command(const Machine& machine, const CommandRequest& request, SessionKind kind) {
  ProcessSpec spec{.environment = machine.environment, .directory = directory_of(machine, request)};
  if (kind == SessionKind::terminal) {
    spec.terminal = request.size.value_or(TerminalSize{});
    spec.environment["TERM"] = request.terminal.value_or("xterm-256color");
  }
  for (const auto& [name, value] : request.environment) spec.environment[name] = value;
  if (request.shell_command) {
    spec.program = machine.shell;
    spec.arguments = {machine.shell, "-c", *request.shell_command};
  } else if (!request.argv.empty()) {
    spec.program = request.argv[0];
    spec.arguments = request.argv;
  } else {
    spec.program = machine.shell;
    // The dash makes it a login shell.
    spec.arguments = {'-' + machine.shell.substr(machine.shell.rfind('/') + 1)};
  }
  return open_process(machine, spec);
}

}  // namespace slipway::agent
