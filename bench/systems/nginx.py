"""nginx as a plain reverse proxy: the floor. It does nothing but pass bytes on, in C."""

import os
import shutil

from bench.system import Launch, Place, first_line, free_port

_CONFIGURATION = """
daemon off;
worker_processes 1;
pid {folder}/nginx.pid;
error_log {folder}/error.log;
{user}
events {{ worker_connections 4096; }}
http {{
  access_log off;
  client_max_body_size 32m;
  client_body_buffer_size 256k;          # a body of 100 KB stays in memory
  client_body_temp_path {folder}/body;
  proxy_temp_path {folder}/proxy;
  fastcgi_temp_path {folder}/fastcgi;
  uwsgi_temp_path {folder}/uwsgi;
  scgi_temp_path {folder}/scgi;
  keepalive_requests 1000000000;
  upstream shared {{ server {upstream}; keepalive 512; keepalive_requests 1000000000; }}
  server {{
    listen 127.0.0.1:{port};
    location / {{
      proxy_pass http://shared;
      proxy_http_version 1.1;
      proxy_set_header Connection "";
    }}
  }}
}}
"""


class Nginx:
    """One worker, keep-alive on both sides, no access log; streams unbuffered (the upstream's x-accel-buffering)."""

    name = "nginx"
    translates = False
    about = "1 worker, keep-alive on both sides, access_log off, streams unbuffered: the floor"

    def version(self) -> str | None:
        """As `nginx -v` says."""
        said = first_line("nginx", "-v") or first_line("/usr/sbin/nginx", "-v")
        return said.rpartition("/")[2] if said else None

    def launch(self, place: Place) -> Launch | None:
        """Write nginx.conf into the folder."""
        port = free_port()
        text = _CONFIGURATION.format(
            folder=place.folder,
            upstream=place.upstream.removeprefix("http://"),
            port=port,
            user="user root;" if os.geteuid() == 0 else "",  # else its workers could not enter the folder
        )
        path = place.folder / "nginx.conf"
        path.write_text(text)
        binary = shutil.which("nginx") or "/usr/sbin/nginx"
        return Launch(
            [binary, "-p", str(place.folder), "-c", str(path)],
            f"http://127.0.0.1:{port}",
            in_plane=lambda process: "worker process" in process.command,
        )


SYSTEM = Nginx()
