"""Whether servers behind applications answer, asked as their clients ask; the answer is never what they hold."""

import http.client
import socket

import psycopg


def postgres(port: int, password: str) -> str:
    """Sign in to the application's database; return nothing where that succeeds, otherwise what was wrong."""
    try:
        psycopg.connect(
            host="127.0.0.1", port=port, user="app", password=password, dbname="app", connect_timeout=5
        ).close()
    except psycopg.OperationalError as error:
        return str(error).strip().rpartition("\n")[2].replace(password, "[secret]") or "no answer"
    return ""


def redis(port: int, password: str) -> str:
    """Sign in and ask for a sign of life; return nothing where it comes, otherwise what was wrong."""
    try:
        with socket.create_connection(("127.0.0.1", port), timeout=5) as connection:
            connection.sendall(f"AUTH {password}\r\nPING\r\n".encode())
            answer = b""
            while answer.count(b"\r\n") < 2:
                part = connection.recv(256)
                if not part:
                    break
                answer += part
    except ConnectionRefusedError:
        return "nothing listens there"
    except OSError as error:
        return f"no answer ({type(error).__name__})"
    return "" if answer.endswith(b"+PONG\r\n") else "it answers something else"


def objects(port: int, password: str) -> str:
    """Ask without a signature, which is refused by a server that is ready; return nothing where it is."""
    del password
    try:
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=5)
        try:
            connection.request("GET", "/", headers={"Host": "localhost"})
            status = connection.getresponse().status
        finally:
            connection.close()
    except ConnectionRefusedError:
        return "nothing listens there"
    except (OSError, http.client.HTTPException) as error:
        return f"no answer ({type(error).__name__})"
    return "" if status in {401, 403} else f"answered {status}"
