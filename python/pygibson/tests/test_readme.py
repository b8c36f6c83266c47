"""What the README shows is true."""

import doctest
from pathlib import Path
from unittest import mock

import pygibson

from .support import TIMEOUT_MS, GibsonTest

README = Path(__file__).resolve().parent.parent / "README.md"


class ReadmeTest(GibsonTest):
    def test_the_examples_of_the_readme_work(self):
        servers = [self.gibson, self.start_gibson(), self.start_gibson(unix=True)]
        text = README.read_text(encoding="utf-8").replace("```", "")
        text = text.replace('"10.0.0.1"', f'"127.0.0.1:{servers[0].port}"')
        text = text.replace("10.0.0.1:10128", f"127.0.0.1:{servers[0].port}")
        text = text.replace("10.0.0.2:10129", f"127.0.0.1:{servers[1].port}")
        text = text.replace("/run/gibson.sock", servers[2].unix_socket)
        defaults = ("127.0.0.1", self.gibson.port, None, TIMEOUT_MS)
        output = []
        with mock.patch.object(pygibson.Client.__init__, "__defaults__", defaults):
            with mock.patch.object(pygibson.ConnectionPool.__init__, "__defaults__", defaults):
                example = doctest.DocTestParser().get_doctest(text, {}, "README.md", str(README), 0)
                results = doctest.DocTestRunner().run(example, out=output.append)
        self.assertGreater(results.attempted, 20)
        self.assertEqual(results.failed, 0, "".join(output))
