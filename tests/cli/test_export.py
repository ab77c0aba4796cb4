"""`lpcnet-cq export`."""

from lpcnet_cq.cli import main


def test_files_are_written_and_not_overwritten(tmp_path, capsys):
    folder = tmp_path / "new" / "onnx"
    assert main(["export", "--onnx", str(folder)]) == 0
    written = sorted(folder.iterdir())
    assert len(written) == 6 and sorted(capsys.readouterr().out.split()) == [str(path) for path in written]
    assert main(["export", "--onnx", str(folder)]) == 2
    assert "exists; -f overwrites it" in capsys.readouterr().err
    assert main(["export", "--onnx", str(folder), "-f", "--model", "cq"]) == 0


def test_music_and_files_in_place_of_the_folder_are_refused(tmp_path, capsys):
    assert main(["export", "--onnx", str(tmp_path / "x"), "--model", "audio"]) == 1
    assert "weights for music" in capsys.readouterr().err and not (tmp_path / "x").exists()
    (tmp_path / "file").write_text("")
    assert main(["export", "--onnx", str(tmp_path / "file")]) == 2
    assert "must be a folder" in capsys.readouterr().err
