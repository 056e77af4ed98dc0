#include "store/testing/postgres_cluster.h"

#include <fcntl.h>
#include <grp.h>
#include <libpq-fe.h>
#include <poll.h>
#include <pwd.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <fstream>
#include <iterator>
#include <stdexcept>

namespace slipway::store::testing {
namespace {

namespace fs = std::filesystem;

const fs::path kPrograms = "/usr/lib/postgresql/15/bin";

[[noreturn]] void fail(const std::string& what) { throw std::runtime_error("PostgreSQL for tests: " + what); }

// PostgreSQL does not run as root.
const passwd* server_user() {
  if (::geteuid() != 0) return nullptr;
  const passwd* user = ::getpwnam("postgres");
  if (!user) fail("there is no user postgres; install postgresql-15");
  return user;
}

void become(const passwd* user) {
  if (!user) return;
  if (::setgroups(0, nullptr) != 0 || ::setgid(user->pw_gid) != 0 || ::setuid(user->pw_uid) != 0) ::_exit(126);
}

// Starts a program whose output goes to `log`; it dies with this process.
pid_t spawn(const fs::path& program, const std::vector<std::string>& arguments, const fs::path& log) {
  if (!fs::exists(program)) fail(program.string() + " is missing; install postgresql-15");
  const passwd* user = server_user();
  std::vector<char*> argv{const_cast<char*>(program.c_str())};
  for (const std::string& argument : arguments) argv.push_back(const_cast<char*>(argument.c_str()));
  argv.push_back(nullptr);
  const pid_t parent = ::getpid();
  const pid_t child = ::fork();
  if (child < 0) fail("fork failed");
  if (child > 0) return child;
  const int output = ::open(log.c_str(), O_WRONLY | O_CREAT | O_APPEND, 0666);
  ::dup2(output, STDOUT_FILENO);
  ::dup2(output, STDERR_FILENO);
  become(user);
  ::prctl(PR_SET_PDEATHSIG, SIGQUIT);
  if (::getppid() != parent || ::chdir("/") != 0) ::_exit(126);
  ::execv(program.c_str(), argv.data());
  ::_exit(127);
}

int wait_for_end(pid_t child) {
  int status = 0;
  while (::waitpid(child, &status, 0) < 0 && errno == EINTR) {
  }
  return status;
}

std::string text_of(const fs::path& file) {
  std::ifstream stream(file);
  return {std::istreambuf_iterator<char>(stream), {}};
}

}  // namespace

PostgresCluster& PostgresCluster::shared() {
  static PostgresCluster cluster;
  return cluster;
}

PostgresCluster::PostgresCluster() {
  if (const passwd* user = server_user())
    if (::chown(folder_.path().c_str(), user->pw_uid, user->pw_gid) != 0) fail("chown failed");
  const fs::path log = folder_.path() / "initdb.log";
  const pid_t initdb = spawn(kPrograms / "initdb",
                             {"-D", folder_.path() / "data", "-A", "trust", "-U", "postgres", "--locale=C",
                              "--encoding=UTF8", "--no-sync", "--no-instructions"},
                             log);
  if (wait_for_end(initdb) != 0) fail("initdb failed:\n" + text_of(log));
  start();
}

PostgresCluster::~PostgresCluster() { crash(); }

void PostgresCluster::start() {
  if (is_running()) return;
  const fs::path log = folder_.path() / "server.log";
  // A crash of the server loses nothing that it wrote, as the kernel lives on: it need not sync. Databases are made by
  // the hundred and live for a moment: what is for the long run only costs.
  server_ =
      spawn(kPrograms / "postgres",
            {"-D", folder_.path() / "data", "-k", folder_.path(), "-c", "listen_addresses=", "-c", "fsync=off", "-c",
             "full_page_writes=off", "-c", "autovacuum=off", "-c", "max_connections=50", "-c", "deadlock_timeout=20ms"},
            log);
  while (PQping(url_of("postgres").c_str()) != PQPING_OK) {
    if (::waitpid(server_, nullptr, WNOHANG) == server_) fail("the server did not start:\n" + text_of(log));
    ::poll(nullptr, 0, 10);
  }
}

void PostgresCluster::crash() {
  if (!is_running()) return;
  ::kill(server_, SIGQUIT);
  wait_for_end(server_);
  server_ = 0;
}

std::string PostgresCluster::create_database() {
  const std::string name = "test_" + std::to_string(++databases_);
  run(url_of("postgres"), "CREATE DATABASE " + name);
  return url_of(name);
}

std::string PostgresCluster::run(const std::string& url, const std::string& sql) {
  const std::unique_ptr<PGconn, decltype(&PQfinish)> connection(PQconnectdb(url.c_str()), PQfinish);
  const std::unique_ptr<PGresult, decltype(&PQclear)> result(PQexec(connection.get(), sql.c_str()), PQclear);
  const ExecStatusType status = PQresultStatus(result.get());
  if (status == PGRES_COMMAND_OK) return "";
  if (status != PGRES_TUPLES_OK) fail(sql + ": " + PQerrorMessage(connection.get()));
  return PQntuples(result.get()) > 0 ? PQgetvalue(result.get(), 0, 0) : "";
}

std::string PostgresCluster::url_of(const std::string& database) const {
  return "postgresql:///" + database + "?user=postgres&host=" + folder_.path().string();
}

}  // namespace slipway::store::testing
