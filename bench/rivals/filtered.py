"""faiss searching among the rows that a filter keeps: HNSW, and inverted lists of full vectors.

--only names the filter. The rows it keeps come as a bitmap that was made beforehand.
"""

import functools

import faiss
import numpy

import graphs
import inverted
import measure

EFFORTS = [32, 64, 128, 256, 512]
PROBES = [4, 8, 16, 32, 64, 128, 256, 512]


def main():
    args = measure.arguments()
    data = measure.Data(args)
    faiss.omp_set_num_threads(1)
    truth = data.truth_of(args.only)
    mask = numpy.load(data.home / f"mask_{args.only}.npy")
    bitmap = numpy.packbits(mask, bitorder="little")
    selector = faiss.IDSelectorBitmap(bitmap)

    name, build, save, load, _ = graphs.faiss_index(data, 32)
    hnsw = measure.cached(args, data, name.replace(" ", "-"), build, save)
    description = f"IVF{inverted.lists(data.rows())[0]},Flat"
    flat_name = f"faiss {faiss.__version__} {description}"
    flat = measure.cached(
        args,
        data,
        flat_name.replace(" ", "-"),
        inverted.build(data, description),
        faiss.write_index,
    )
    if args.build:
        return

    name, facts, found = f"{name}, filter {args.only}", hnsw[1], []
    index = load(hnsw[0])
    for ef in EFFORTS:
        chosen = faiss.SearchParametersHNSW(efSearch=ef, sel=selector)
        search = functools.partial(ids, index, chosen)
        found.append(measure.point(data, f"ef={ef}", search, truth))
        if found[-1]["recall"] > 0.99:
            break
    measure.emit(name, facts, found)

    name, facts, found = f"{flat_name}, filter {args.only}", flat[1], []
    index = faiss.read_index(flat[0])
    for probes in PROBES:
        chosen = faiss.SearchParametersIVF(nprobe=probes, sel=selector)
        search = inverted.searcher(data, index, chosen)
        found.append(measure.point(data, f"nprobe={probes}", search, truth))
        if found[-1]["recall"] > 0.99:
            break
    measure.emit(name, facts, found)


def ids(index, parameters, rows):
    return index.search(rows, measure.K, params=parameters)[1]


if __name__ == "__main__":
    main()
