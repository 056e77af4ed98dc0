#pragma once
// What control frames and the command and event streams say: described structs, JSON on the wire.
//
// Read leniently, so that an older peer can talk to a newer one; `validate` then refuses what makes no sense. Nothing
// here is trusted: the hub holds the agent's messages for hostile, the agent the client's.

#include <boost/describe/enum.hpp>
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "agent/frame.h"
#include "base/json.h"

namespace slipway::agent {

// Grows when a peer that does not know the new version would misunderstand. The hello carries the range that the agent
// speaks, the welcome the one that the hub chose.
inline constexpr int kProtocolVersion = 1;
inline constexpr int kOldestProtocolVersion = 1;

// ---- connection-wide, channel 0

struct Hello {
  int protocol = kProtocolVersion;
  int oldest_protocol = kOldestProtocolVersion;
  std::string version;                    // of the agent program
  std::string boot_id;                    // random, one for each agent process: sessions live and die with it
  std::vector<std::string> capabilities;  // kinds of sessions that it can serve
};
SLIPWAY_JSON_SNAKE(Hello, protocol, oldest_protocol, version, boot_id, capabilities)

struct Welcome {
  int protocol = kProtocolVersion;
  std::optional<base::Secret> credential;  // in exchange for the one-time token; used from now on
  base::Duration heartbeat_interval_ms{5000};
};
SLIPWAY_JSON_SNAKE(Welcome, protocol, credential, heartbeat_interval_ms)

enum class SessionKind { exec, terminal, tcp, ssh, files };
BOOST_DESCRIBE_ENUM(SessionKind, exec, terminal, tcp, ssh, files)

// `idle_ms` and not a time: the clocks of machines differ.
struct Activity {
  SessionKind kind = SessionKind::exec;
  base::Duration idle_ms{0};  // since bytes last moved while a client was attached
  int open_sessions = 0;
};
SLIPWAY_JSON_SNAKE(Activity, kind, idle_ms, open_sessions)

struct Heartbeat {
  std::vector<Activity> activity;  // the kinds that were ever used; at most one entry each
};
SLIPWAY_JSON_SNAKE(Heartbeat, activity)

// ---- one session

// How far each stream has arrived, the end of a stream counting as one byte after its last. Only the streams that the
// sender of the message receives are meaningful.
struct Positions {
  std::uint64_t input = 0, output = 0, error = 0, commands = 0, events = 0;

  std::uint64_t& operator[](StreamId stream);
  std::uint64_t operator[](StreamId stream) const { return const_cast<Positions&>(*this)[stream]; }
};
SLIPWAY_JSON_SNAKE(Positions, input, output, error, commands, events)

struct TerminalSize {
  int rows = 24;
  int columns = 80;
};
SLIPWAY_JSON_SNAKE(TerminalSize, rows, columns)

// For exec and terminal. No `argv` and no `shell_command` in a terminal means a login shell.
struct CommandRequest {
  std::vector<std::string> argv;
  std::optional<std::string> shell_command;  // run by `sh -c`, in place of argv
  std::map<std::string, std::string> environment;
  std::optional<std::string> directory;  // default: the home; relative to it
  std::optional<std::string> terminal;   // TERM
  std::optional<TerminalSize> size;
};
SLIPWAY_JSON_SNAKE(CommandRequest, argv, shell_command, environment, directory, terminal, size)

struct TcpRequest {
  int port = 0;  // of 127.0.0.1 inside the machine
};
SLIPWAY_JSON_SNAKE(TcpRequest, port)

struct SshRequest {
  std::string authorized_key;  // one line of an authorized_keys file, without options
};
SLIPWAY_JSON_SNAKE(SshRequest, authorized_key)

enum class FileOperation { upload, download };
BOOST_DESCRIBE_ENUM(FileOperation, upload, download)

// A file's bytes, or a tar of a directory's content, as the session's input (upload) or output (download). What a
// download sends is told by the event `file`.
struct FilesRequest {
  FileOperation operation = FileOperation::download;
  std::string path;               // relative to the home, or absolute
  std::optional<bool> directory;  // upload: the input is a tar, unpacked into the directory `path`
  std::optional<int> mode;        // upload of a file: permission bits; default: those of the file replaced, or 0644
};
SLIPWAY_JSON_SNAKE(FilesRequest, operation, path, directory, mode)

struct OpenRequest {
  std::string session;  // chosen by the client: 22 to 64 characters of base64url, unguessable
  bool resume = false;  // it exists: do not begin a new one
  Positions received;   // what the client already has
  SessionKind kind = SessionKind::exec;
  std::optional<CommandRequest> command;  // exec, terminal
  std::optional<TcpRequest> tcp;
  std::optional<SshRequest> ssh;
  std::optional<FilesRequest> files;
};
SLIPWAY_JSON_SNAKE(OpenRequest, session, resume, received, kind, command, tcp, ssh, files)

// Throw VALIDATION_ERROR naming the field.
void validate(const OpenRequest& request);
void validate(const TerminalSize& size, std::string_view field);

struct Opened {
  bool resumed = false;
  Positions received;
};
SLIPWAY_JSON_SNAKE(Opened, resumed, received)

struct Closed {
  std::string code;
  std::string message;
  bool retry = false;  // the session may live on: open again with `resume`
};
SLIPWAY_JSON_SNAKE(Closed, code, message, retry)

// ---- lines of the commands and events streams

struct Command {
  std::optional<TerminalSize> resize;
  std::optional<std::string> signal;  // HUP, INT, QUIT, KILL, USR1, USR2, TERM, CONT, STOP, TSTP, WINCH
};
SLIPWAY_JSON_SNAKE(Command, resize, signal)

struct FileFacts {
  bool directory = false;  // then the output is a tar
  std::uint64_t size = 0;
  int mode = 0;
  base::Instant modified_at{};
};
SLIPWAY_JSON_SNAKE(FileFacts, directory, size, mode, modified_at)

// Exactly one of code, signal and error_code.
struct Exit {
  std::optional<int> code;
  std::optional<std::string> signal;  // as in Command
  std::optional<std::string> error_code;
  std::optional<std::string> error_message;
};
SLIPWAY_JSON_SNAKE(Exit, code, signal, error_code, error_message)

struct Event {
  std::optional<FileFacts> file;
  std::optional<Exit> exit;  // the last one
};
SLIPWAY_JSON_SNAKE(Event, file, exit)

// The number of a signal that may be sent, and the name of one; empty when it is none of them.
std::optional<int> signal_number(std::string_view name);
std::string signal_name(int number);

// A control payload as a struct; anything else is a PROTOCOL_ERROR.
template <class T>
T read_message(std::string_view payload) {
  try {
    return json::parse<T>(payload, json::Mode::lenient);
  } catch (const base::Error& error) {
    throw protocol_error("a control message is not understood: " + error.message());
  }
}

template <class T>
Frame control_frame(FrameType type, std::uint32_t channel, const T& message) {
  Frame frame;
  frame.type = type;
  frame.channel = channel;
  frame.payload = json::print(message, json::Secrets::revealed);
  return frame;
}

}  // namespace slipway::agent
