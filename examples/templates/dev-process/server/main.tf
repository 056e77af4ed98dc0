# The process. It is started in a session and with an environment of its own: what a build has started is ended with the
# build, except for what leaves it on purpose.

variable "folder" { type = string }
variable "port" { type = number }

resource "terraform_data" "process" {
  input            = { folder = var.folder }
  triggers_replace = [var.folder, var.port]

  provisioner "local-exec" {
    command     = "sh '${path.module}/start.sh'"
    environment = { FOLDER = var.folder, PORT = var.port }
  }
  provisioner "local-exec" {
    when        = destroy
    command     = <<-SH
      if [ -e "$FOLDER/pid" ]; then
        kill "$(cat "$FOLDER/pid")" 2>/dev/null || echo "The server had ended already"
        rm -f "$FOLDER/pid" "$FOLDER/address"
      fi
    SH
    environment = { FOLDER = self.input.folder }
  }
}
