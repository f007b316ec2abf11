"""The breast by itself: compressed for mammography, in four density classes, with lesions."""

from physsim.body.breast.lesions import BreastMass, CalcificationCluster
from physsim.body.breast.pose import mammography_geometry
from physsim.body.breast.product import breast, breast_slabs, calibrated
from physsim.body.breast.spec import Breast
from physsim.body.breast.views import Form, carried, form_of

__all__ = ["Breast", "BreastMass", "CalcificationCluster", "Form", "breast", "breast_slabs", "calibrated", "carried",
           "form_of", "mammography_geometry"]
