#pragma once
// `slipway provisioner TYPE`: one session of a built-in provisioner on stdin and stdout, as a daemon starts it.

namespace CLI {
class App;
}

namespace slipway::app {

void add_provisioner_command(CLI::App& app, int& exit_code);

}  // namespace slipway::app
